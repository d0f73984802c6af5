//! One chunk of an MCAP file: where it lies, and its records unpacked.
//!
//! Compressed chunks (zstd, lz4) are unpacked whole and checked against their CRC; uncompressed ones are read in place by
//! the container. A chunk that is cut off gives the records that are whole. Sizes are bounded: a header cannot make this
//! allocate more than the data unpacks to, and never more than [`UNPACKED_BYTES_MAX`].

use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

use mcap::records::op;
use mcap::sans_io::{LinearReadEvent, LinearReader, LinearReaderOptions};

/// Opcode and length before every record.
pub(crate) const HEAD_BYTES: u64 = 9;
/// Most bytes a chunk may unpack to: recorders write 1 MB to 100 MB; a broken header says anything.
pub(crate) const UNPACKED_BYTES_MAX: usize = 1 << 30;

/// Where a chunk lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChunkAt {
    /// Byte of the record's opcode.
    pub(crate) offset: u64,
    /// Bytes there, opcode and length included; fewer than it says where the file is cut off.
    pub(crate) bytes: u64,
}

/// The fixed part of a chunk's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChunkHead {
    /// `""`, `"zstd"`, `"lz4"`, or what is not read.
    pub(crate) compression: String,
    /// CRC-32 of the unpacked records, 0 where none was written.
    pub(crate) crc: u32,
    /// Bytes of the records as stored.
    pub(crate) stored_bytes: u64,
    /// Bytes from the chunk's opcode to its records.
    pub(crate) records_at: u64,
}

impl ChunkHead {
    /// Parses the beginning of a chunk record, opcode and length included (MCAP specification, "Chunk (op=0x06)").
    pub(crate) fn parse(record: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u32::from_le_bytes(record.get(at..at + 4)?.try_into().ok()?));
        let long = |at: usize| Some(u64::from_le_bytes(record.get(at..at + 8)?.try_into().ok()?));
        // 9 bytes of head, two times and the unpacked size of 8 bytes each, then the CRC.
        const CRC_AT: usize = 33;
        let name_bytes = word(CRC_AT + 4)? as usize;
        let name_at = CRC_AT + 8;
        let name_end = name_at.checked_add(name_bytes)?;
        let compression = std::str::from_utf8(record.get(name_at..name_end)?).ok()?.to_owned();
        Some(Self { compression, crc: word(CRC_AT)?, stored_bytes: long(name_end)?, records_at: name_end as u64 + 8 })
    }
}

/// The records of a compressed chunk.
#[derive(Debug, Default)]
pub(crate) struct Unpacked {
    bytes: Vec<u8>,
    records: Vec<(u8, Range<usize>)>,
    /// Why unpacking stopped before the chunk's end.
    pub(crate) fault: Option<String>,
}

impl Unpacked {
    /// Opcode and body of record `ordinal`.
    pub(crate) fn record(&self, ordinal: usize) -> Option<(u8, &[u8])> {
        let (opcode, range) = self.records.get(ordinal)?;
        Some((*opcode, self.bytes.get(range.clone())?))
    }

    /// All records.
    pub(crate) fn records(&self) -> impl Iterator<Item = (u8, &[u8])> {
        (0..self.records.len()).filter_map(|i| self.record(i))
    }

    /// Bytes held.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len()
    }

    fn push(&mut self, opcode: u8, data: &[u8]) -> Result<(), String> {
        // Nothing else in a chunk is of use.
        if !matches!(opcode, op::SCHEMA | op::CHANNEL | op::MESSAGE) {
            return Ok(());
        }
        let from = self.bytes.len();
        if from + data.len() > UNPACKED_BYTES_MAX {
            return Err(format!("it unpacks to more than {UNPACKED_BYTES_MAX} bytes"));
        }
        self.bytes.extend_from_slice(data);
        self.records.push((opcode, from..self.bytes.len()));
        Ok(())
    }
}

/// Unpacks the compressed chunk at `at`. What can be read is kept; why it ends early stands in `fault`.
pub(crate) fn unpack(file: &mut (impl Read + Seek), at: &ChunkAt) -> Unpacked {
    let mut out = Unpacked::default();
    if let Err(fault) = unpack_into(file, at, &mut out) {
        out.fault = Some(fault);
    }
    out
}

fn unpack_into(file: &mut (impl Read + Seek), at: &ChunkAt, out: &mut Unpacked) -> Result<(), String> {
    file.seek(SeekFrom::Start(at.offset)).map_err(|e| e.to_string())?;
    let mut left = usize::try_from(at.bytes).map_err(|e| e.to_string())?;
    let options = LinearReaderOptions::default()
        .with_skip_start_magic(true)
        .with_skip_end_magic(true)
        .with_validate_chunk_crcs(true)
        .with_record_length_limit(UNPACKED_BYTES_MAX);
    let mut reader = LinearReader::new_with_options(options);
    while let Some(event) = reader.next_event() {
        match event.map_err(|e| e.to_string())? {
            LinearReadEvent::ReadRequest(wanted) => {
                let wanted = wanted.min(left);
                let read = read_some(file, reader.insert(wanted)).map_err(|e| e.to_string())?;
                left -= read;
                reader.notify_read(read);
            }
            LinearReadEvent::Record { data, opcode } => out.push(opcode, data)?,
        }
    }
    Ok(())
}

/// Fills as much of `buffer` as the file has.
fn read_some(file: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut read = 0;
    while let Some(rest) = buffer.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(n) => read += n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(read)
}
