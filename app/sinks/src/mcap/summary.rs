//! The summary at the end of a finished recording, put into a fixed order.
//!
//! The file format's crate writes schemas and channels there in the order of a hash map, which differs from run to run; the
//! same calls should give the same bytes. Their records are sorted by id and the CRC over the summary is taken anew.

use std::io::{self, Read, Seek, SeekFrom, Write};

use mcap::MAGIC;
use mcap::records::op;

/// Opcode and length before every record.
const HEAD_BYTES: usize = 9;
/// Summary start, summary offset start, CRC.
const FOOTER_BODY_BYTES: usize = 20;

/// Sorts the summary of the finished `file`. A file without one is left as it is.
pub(super) fn sort_summary(file: &mut (impl Read + Write + Seek)) -> io::Result<()> {
    let tail = (HEAD_BYTES + FOOTER_BODY_BYTES + MAGIC.len()) as u64;
    let length = file.seek(SeekFrom::End(0))?;
    let Some(footer_at) = length.checked_sub(tail) else { return Ok(()) };
    let mut start = [0; 8];
    file.seek(SeekFrom::Start(footer_at + HEAD_BYTES as u64))?;
    file.read_exact(&mut start)?;
    let start = u64::from_le_bytes(start);
    if start == 0 || start > footer_at {
        return Ok(());
    }
    // Summary and footer without its CRC, which is what the CRC is of.
    let mut bytes = vec![0; (footer_at - start) as usize + HEAD_BYTES + FOOTER_BODY_BYTES - 4];
    file.seek(SeekFrom::Start(start))?;
    file.read_exact(&mut bytes)?;
    let mut sorted = Vec::with_capacity(bytes.len() + 4);
    for group in groups(&bytes) {
        sorted.extend(group.into_iter().flatten());
    }
    let crc = crc32fast::hash(&sorted);
    sorted.extend(crc.to_le_bytes());
    file.seek(SeekFrom::Start(start))?;
    file.write_all(&sorted)?;
    file.seek(SeekFrom::End(0))?;
    Ok(())
}

/// Runs of records of one kind; those of schemas and channels by their id, which opens their body. What is no whole record
/// is a run of its own.
fn groups(bytes: &[u8]) -> Vec<Vec<&[u8]>> {
    let mut groups: Vec<(u8, Vec<&[u8]>)> = Vec::new();
    let mut rest = bytes;
    while let Some((opcode, record, after)) = split_record(rest) {
        match groups.last_mut() {
            Some((last, records)) if *last == opcode => records.push(record),
            _ => groups.push((opcode, vec![record])),
        }
        rest = after;
    }
    groups.push((0, vec![rest]));
    let id = |record: &&[u8]| record.get(HEAD_BYTES..HEAD_BYTES + 2).map(|b| u16::from_le_bytes([b[0], b[1]]));
    for (opcode, records) in &mut groups {
        if matches!(*opcode, op::SCHEMA | op::CHANNEL) {
            records.sort_by_key(id);
        }
    }
    groups.into_iter().map(|(_, records)| records).collect()
}

/// Opcode and bytes of the first record, and what follows it.
fn split_record(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (head, _) = bytes.split_first_chunk::<HEAD_BYTES>()?;
    let [opcode, length @ ..] = *head;
    let length = usize::try_from(u64::from_le_bytes(length)).ok()?;
    let (record, after) = bytes.split_at_checked(length.checked_add(HEAD_BYTES)?)?;
    Some((opcode, record, after))
}
