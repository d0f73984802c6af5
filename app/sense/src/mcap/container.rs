//! Walking an MCAP file from its beginning to its end: schemas, channels and messages, with the place of each message.
//!
//! The summary at the end is not needed and not trusted: a recorder that was killed leaves none, and sensor time stands in
//! the messages only, so that all of them have to be seen anyway. What cannot be used is said in `lost`: a file cut off (all
//! whole chunks and the whole records of the last are used), a chunk whose CRC is wrong (none of it is used), a record that
//! cannot be parsed (the others are used).

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

use mcap::records::{Record, op};

use super::chunk::{ChunkAt, ChunkHead, HEAD_BYTES, UNPACKED_BYTES_MAX, unpack};
use crate::error::SenseError;

/// Bytes of a chunk's record that hold its head: names of compressions are short.
const CHUNK_HEAD_BYTES_MAX: u64 = 256;

/// Where a message's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the file itself.
    File {
        /// First byte of the record's body.
        offset: u64,
        /// Bytes of the body.
        bytes: usize,
    },
    /// In a compressed chunk.
    Chunk {
        /// Index into [`Walked::chunks`].
        chunk: usize,
        /// Index of the record in it.
        ordinal: usize,
    },
}

/// What the walk hands out.
pub(crate) enum Item<'a> {
    /// A schema: id, name, encoding.
    Schema(u16, String, String),
    /// A channel.
    Channel(mcap::records::Channel),
    /// A message: channel, time of logging in nanoseconds, place, content.
    Message(u16, u64, Place, &'a [u8]),
}

/// What a walk has found beside the items.
#[derive(Debug, Default)]
pub(crate) struct Walked {
    /// The compressed chunks.
    pub(crate) chunks: Vec<ChunkAt>,
    /// What could not be used, one line each.
    pub(crate) lost: Vec<String>,
    /// Profile of the header, such as `ros2`.
    pub(crate) profile: String,
    /// Whether a summary follows the data.
    pub(crate) has_summary: bool,
}

/// Walks the file at `path`.
pub(crate) fn walk(path: &Path, visit: &mut dyn FnMut(Item<'_>)) -> Result<Walked, SenseError> {
    let file = File::open(path).map_err(SenseError::io(path, "opening the recording"))?;
    let length = file.metadata().map_err(SenseError::io(path, "opening the recording"))?.len();
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let mut magic = Vec::new();
    (&mut reader).take(8).read_to_end(&mut magic).map_err(SenseError::io(path, "reading the recording"))?;
    if magic != mcap::MAGIC {
        return Err(SenseError::Format {
            file: path.into(),
            place: "byte 0".into(),
            expected: "the signature of an MCAP file (89 4D 43 41 50 30 0D 0A)".into(),
            got: if magic.is_empty() { "an empty file".into() } else { format!("{magic:02X?}") },
        });
    }
    let mut walker = Walker { reader, length, at: 8, body: Vec::new(), out: Walked::default(), visit };
    // A read that fails half way loses the rest, which is said; what came before is good.
    if let Err(error) = walker.records() {
        let at = walker.at;
        walker.out.lost.push(format!("reading failed at byte {at} of {length}: {error}; what follows is lost"));
    }
    Ok(walker.out)
}

struct Walker<'v> {
    reader: BufReader<File>,
    length: u64,
    at: u64,
    /// Scratch for one record's body.
    body: Vec<u8>,
    out: Walked,
    visit: &'v mut dyn FnMut(Item<'_>),
}

impl Walker<'_> {
    /// Reads opcode and length at `at`.
    fn head(&mut self) -> std::io::Result<(u8, u64)> {
        let mut head = [0; HEAD_BYTES as usize];
        self.go_to(self.at)?;
        self.reader.read_exact(&mut head)?;
        let [opcode, length @ ..] = head;
        Ok((opcode, u64::from_le_bytes(length)))
    }

    fn go_to(&mut self, offset: u64) -> std::io::Result<()> {
        let here = self.reader.stream_position()?;
        self.reader.seek_relative(offset.cast_signed().wrapping_sub(here.cast_signed()))
    }

    fn lose(&mut self, what: String) {
        self.out.lost.push(what);
    }

    /// The top level of the file.
    fn records(&mut self) -> std::io::Result<()> {
        loop {
            if self.length - self.at < HEAD_BYTES {
                let (at, length) = (self.at, self.length);
                self.lose(format!("the file is cut off: {length} bytes, the last whole record ends at byte {at}, and there is no footer: what was recorded after it is lost"));
                return Ok(());
            }
            let (opcode, bytes) = self.head()?;
            let there = self.length - self.at - HEAD_BYTES;
            if opcode == 0 {
                let at = self.at;
                self.lose(format!("no record at byte {at} of {}: what follows is lost", self.length));
                return Ok(());
            }
            if bytes > there {
                return self.cut_record(opcode, bytes, there);
            }
            match opcode {
                op::FOOTER => return self.footer(),
                op::CHUNK => self.chunk(HEAD_BYTES + bytes)?,
                _ => self.record(opcode, bytes, false)?,
            }
            self.at += HEAD_BYTES + bytes;
        }
    }

    /// A record that goes beyond the file's end.
    fn cut_record(&mut self, opcode: u8, bytes: u64, there: u64) -> std::io::Result<()> {
        let (at, length) = (self.at, self.length);
        let mut used = String::new();
        if opcode == op::CHUNK {
            let count = self.cut_chunk(HEAD_BYTES + there)?;
            used = format!(" ({count} whole messages of the chunk there are used)");
        }
        self.lose(format!("the file is cut off: {length} bytes, the record at byte {at} has {bytes} bytes and {there} are there{used}: what was recorded after it is lost"));
        Ok(())
    }

    fn footer(&mut self) -> std::io::Result<()> {
        self.go_to(self.at + HEAD_BYTES)?;
        let mut summary_at = [0; 8];
        if self.reader.read_exact(&mut summary_at).is_ok() {
            self.out.has_summary = u64::from_le_bytes(summary_at) != 0;
        }
        Ok(())
    }

    /// Reads a record's body and hands it out, where it is of use.
    fn record(&mut self, opcode: u8, bytes: u64, in_chunk: bool) -> std::io::Result<()> {
        let wanted = match opcode {
            op::HEADER => !in_chunk,
            op::SCHEMA | op::CHANNEL | op::MESSAGE => true,
            _ => false,
        };
        if !wanted {
            return Ok(());
        }
        let offset = self.at + HEAD_BYTES;
        if bytes > UNPACKED_BYTES_MAX as u64 {
            self.lose(format!("the record at byte {} has {bytes} bytes, more than {UNPACKED_BYTES_MAX}", self.at));
            return Ok(());
        }
        let mut body = std::mem::take(&mut self.body);
        body.resize(bytes as usize, 0);
        self.go_to(offset)?;
        let result = self.reader.read_exact(&mut body);
        if result.is_ok() {
            self.hand_out(opcode, &body, Place::File { offset, bytes: body.len() });
        }
        self.body = body;
        result
    }

    /// Parses a record and hands it out; says where it cannot be parsed.
    fn hand_out(&mut self, opcode: u8, body: &[u8], place: Place) {
        match mcap::parse_record(opcode, body) {
            Ok(Record::Header(header)) => self.out.profile = header.profile,
            Ok(Record::Schema { header, .. }) => (self.visit)(Item::Schema(header.id, header.name, header.encoding)),
            Ok(Record::Channel(channel)) => (self.visit)(Item::Channel(channel)),
            Ok(Record::Message { header, data }) => {
                (self.visit)(Item::Message(header.channel_id, header.log_time, place, &data));
            }
            Ok(_) => {}
            Err(_) => {
                let at = self.at;
                self.lose(format!("a record of kind {opcode} at byte {at} cannot be parsed: it is left out"));
            }
        }
    }

    fn chunk_head(&mut self, bytes: u64) -> std::io::Result<Option<ChunkHead>> {
        let mut head = Vec::new();
        self.go_to(self.at)?;
        (&mut self.reader).take(bytes.min(CHUNK_HEAD_BYTES_MAX)).read_to_end(&mut head)?;
        Ok(ChunkHead::parse(&head))
    }

    /// A whole chunk of `bytes` bytes at `at`.
    fn chunk(&mut self, bytes: u64) -> std::io::Result<()> {
        let at = self.at;
        let head = self.chunk_head(bytes)?;
        let Some(head) = head.filter(|h| h.records_at.checked_add(h.stored_bytes).is_some_and(|end| end <= bytes))
        else {
            self.lose(format!("the chunk at byte {at} has a broken head: its messages are lost"));
            return Ok(());
        };
        if head.compression.is_empty() {
            return self.plain_chunk(&head);
        }
        let chunk = ChunkAt { offset: at, bytes };
        let unpacked = unpack(&mut self.reader, &chunk);
        if let Some(fault) = &unpacked.fault {
            self.lose(format!(
                "the chunk at byte {at} ({}) is broken: {fault}: its messages are lost",
                head.compression
            ));
            return Ok(());
        }
        self.hand_out_all(chunk, &unpacked);
        Ok(())
    }

    fn hand_out_all(&mut self, chunk: ChunkAt, unpacked: &super::chunk::Unpacked) -> usize {
        self.out.chunks.push(chunk);
        let chunk = self.out.chunks.len() - 1;
        let mut messages = 0;
        for (ordinal, (opcode, body)) in unpacked.records().enumerate() {
            messages += usize::from(opcode == op::MESSAGE);
            self.hand_out(opcode, body, Place::Chunk { chunk, ordinal });
        }
        messages
    }

    /// The whole messages of a chunk of which `there` bytes are there.
    fn cut_chunk(&mut self, there: u64) -> std::io::Result<usize> {
        let Some(head) = self.chunk_head(there)? else { return Ok(0) };
        if head.compression.is_empty() {
            return self.plain_records(head.records_at, there);
        }
        let chunk = ChunkAt { offset: self.at, bytes: there };
        let unpacked = unpack(&mut self.reader, &chunk);
        Ok(self.hand_out_all(chunk, &unpacked))
    }

    /// An uncompressed chunk: checked first, then its records are handed out from their places in the file.
    fn plain_chunk(&mut self, head: &ChunkHead) -> std::io::Result<()> {
        let at = self.at;
        if head.crc != 0 {
            let crc = self.crc(at + head.records_at, head.stored_bytes)?;
            if crc != head.crc {
                let expected = head.crc;
                self.lose(format!("the chunk at byte {at} is broken: its CRC is {crc:08X}, expected {expected:08X}: its messages are lost"));
                return Ok(());
            }
        }
        self.plain_records(head.records_at, head.records_at + head.stored_bytes)?;
        Ok(())
    }

    fn crc(&mut self, from: u64, bytes: u64) -> std::io::Result<u32> {
        let mut hasher = crc32fast::Hasher::new();
        let mut piece = [0; 1 << 14];
        self.go_to(from)?;
        let mut left = bytes;
        while left > 0 {
            let wanted = left.min(piece.len() as u64) as usize;
            let read = self.reader.read(&mut piece[..wanted])?;
            if read == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            hasher.update(&piece[..read]);
            left -= read as u64;
        }
        Ok(hasher.finalize())
    }

    /// Hands out the records between `from` and `to`, counted from the chunk's opcode; how many messages they were.
    fn plain_records(&mut self, from: u64, to: u64) -> std::io::Result<usize> {
        let chunk_at = self.at;
        let end = chunk_at + to;
        self.at = chunk_at + from;
        let mut messages = 0;
        while end - self.at >= HEAD_BYTES {
            let (opcode, bytes) = self.head()?;
            if bytes > end - self.at - HEAD_BYTES {
                break;
            }
            self.record(opcode, bytes, true)?;
            messages += usize::from(opcode == op::MESSAGE);
            self.at += HEAD_BYTES + bytes;
        }
        self.at = chunk_at;
        Ok(messages)
    }
}
