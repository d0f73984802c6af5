//! Reading tables of an SQLite 3 file, as far as recordings need it: rows of ordinary tables in the order of their keys, with
//! values on overflow pages. Reads only; indexes, WAL files and tables without rowid are not looked at.
//!
//! From the published file format. Nothing in a broken file leads out of it or in circles: every page number and length is checked,
//! and no walk visits more pages than there are.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// The first bytes of every file.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
const FILE_HEADER_BYTES: usize = 100;
/// Pages from a root to a leaf; a file of 2^32 pages is not as deep.
const DEPTH_MAX: usize = 20;
/// Longest row that is read: SQLite's own limit of a value.
const ROW_BYTES_MAX: u64 = 1_000_000_000;
const INTERIOR_TABLE: u8 = 5;
const LEAF_TABLE: u8 = 13;

/// A database open for reading.
#[derive(Debug)]
pub(super) struct Database {
    file: File,
    page_bytes: usize,
    /// Bytes of a page that SQLite uses.
    usable: usize,
    pages: u32,
}

/// Where a row begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RowAt {
    page: u32,
    cell: u16,
}

/// A column's value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'a> {
    Null,
    Integer(i64),
    Real(f64),
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    pub(super) fn text(self) -> Option<&'a str> {
        if let Self::Bytes(bytes) = self { std::str::from_utf8(bytes).ok() } else { None }
    }

    pub(super) fn bytes(self) -> &'a [u8] {
        if let Self::Bytes(bytes) = self { bytes } else { &[] }
    }

    pub(super) fn integer(self) -> Option<i64> {
        if let Self::Integer(number) = self { Some(number) } else { None }
    }
}

/// A row's key and its record.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) key: i64,
    record: Vec<u8>,
}

impl Row {
    /// The columns in the order of the table; ends at the first that cannot be.
    pub(super) fn columns(&self) -> Vec<Value<'_>> {
        let mut columns = Vec::new();
        let Some((header, mut at)) = varint(&self.record, 0) else { return columns };
        let Ok(header) = usize::try_from(header) else { return columns };
        let mut body = header;
        while at < header {
            let Some((kind, next)) = varint(&self.record, at) else { return columns };
            at = next;
            let Some((value, end)) = value(&self.record, body, kind) else { return columns };
            columns.push(value);
            body = end;
        }
        columns
    }
}

/// The value of serial type `kind` at `at`, and where it ends.
fn value(record: &[u8], at: usize, kind: u64) -> Option<(Value<'_>, usize)> {
    let integer = |bytes: usize| {
        let slice = record.get(at..at.checked_add(bytes)?)?;
        let sign: i64 = if slice.first().is_some_and(|b| b & 0x80 != 0) { -1 } else { 0 };
        Some((slice.iter().fold(sign, |n, b| (n << 8) | i64::from(*b)), at + bytes))
    };
    Some(match kind {
        0 => (Value::Null, at),
        1..=4 => integer(kind as usize).map(|(n, end)| (Value::Integer(n), end))?,
        5 => integer(6).map(|(n, end)| (Value::Integer(n), end))?,
        6 => integer(8).map(|(n, end)| (Value::Integer(n), end))?,
        7 => integer(8).map(|(n, end)| (Value::Real(f64::from_bits(n as u64)), end))?,
        8 | 9 => (Value::Integer(kind as i64 - 8), at),
        10 | 11 => return None,
        _ => {
            let end = at.checked_add(usize::try_from((kind - 12) / 2).ok()?)?;
            (Value::Bytes(record.get(at..end)?), end)
        }
    })
}

/// A number of one to nine bytes, and where it ends.
fn varint(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut number: u64 = 0;
    for index in 0..9 {
        let byte = *bytes.get(at + index)?;
        if index == 8 {
            return Some(((number << 8) | u64::from(byte), at + 9));
        }
        number = (number << 7) | u64::from(byte & 0x7F);
        if byte & 0x80 == 0 {
            return Some((number, at + index + 1));
        }
    }
    None
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Whether the file begins as a database does.
pub(crate) fn is_database(path: &Path) -> bool {
    let mut magic = [0; 16];
    File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == *MAGIC
}

impl Database {
    /// Opens a file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let mut file = File::open(path).map_err(|e| e.to_string())?;
        let mut head = [0; FILE_HEADER_BYTES];
        file.read_exact(&mut head).map_err(|_| "the file's header of 100 bytes is cut off".to_owned())?;
        if !head.starts_with(MAGIC) {
            return Err("it does not begin as an SQLite 3 file".to_owned());
        }
        let page_bytes = match be16(&head, 16) {
            Some(1) => 65_536,
            Some(bytes) => usize::from(bytes),
            None => 0,
        };
        let reserved = usize::from(head.get(20).copied().unwrap_or(0));
        if !page_bytes.is_power_of_two() || page_bytes < 512 || page_bytes - reserved < 480 {
            return Err(format!("pages of {page_bytes} bytes, {reserved} of them reserved"));
        }
        let length = file.metadata().map_err(|e| e.to_string())?.len();
        let pages = u32::try_from(length / page_bytes as u64).unwrap_or(u32::MAX);
        Ok(Self { file, page_bytes, usable: page_bytes - reserved, pages })
    }

    /// Reads page `number`, counted from 1.
    fn page(&mut self, number: u32) -> Result<Vec<u8>, String> {
        if number == 0 || number > self.pages {
            return Err(format!("page {number} of {} is asked for", self.pages));
        }
        let mut page = vec![0; self.page_bytes];
        let at = u64::from(number - 1) * self.page_bytes as u64;
        let read = self.file.seek(SeekFrom::Start(at)).and_then(|_| self.file.read_exact(&mut page));
        read.map(|()| page).map_err(|e| format!("page {number}: {e}"))
    }

    /// The root page of the table `name`; `None` where there is none.
    pub(super) fn table(&mut self, name: &str) -> Result<Option<u32>, String> {
        let mut root = None;
        self.rows(1, &mut |_, row| {
            let columns = row.columns();
            let text = |at: usize| columns.get(at).and_then(|v| v.text());
            if (text(0), text(1)) == (Some("table"), Some(name)) {
                root = columns.get(3).and_then(|v| v.integer()).and_then(|n| u32::try_from(n).ok());
            }
        })?;
        Ok(root)
    }

    /// Visits all rows of the table at `root` in the order of their keys.
    pub(super) fn rows(&mut self, root: u32, visit: &mut dyn FnMut(RowAt, &Row)) -> Result<(), String> {
        let mut left = self.pages;
        self.walk(root, DEPTH_MAX, &mut left, visit)
    }

    fn walk(
        &mut self,
        number: u32,
        depth: usize,
        left: &mut u32,
        visit: &mut dyn FnMut(RowAt, &Row),
    ) -> Result<(), String> {
        *left = left.checked_sub(1).ok_or("pages lead in circles")?;
        let deeper = depth.checked_sub(1).ok_or("pages nest too deep")?;
        let page = self.page(number)?;
        let head = head_of(number);
        let cells = usize::from(be16(&page, head + 3).unwrap_or(0));
        match page.get(head) {
            Some(&INTERIOR_TABLE) => {
                for cell in 0..cells {
                    let at = be16(&page, head + 12 + 2 * cell).ok_or("a cell beyond its page")?;
                    let child = be32(&page, at.into()).ok_or("a cell beyond its page")?;
                    self.walk(child, deeper, left, visit)?;
                }
                self.walk(be32(&page, head + 8).unwrap_or(0), deeper, left, visit)
            }
            Some(&LEAF_TABLE) => {
                let mut row = Row::default();
                for cell in 0..cells {
                    let at = RowAt { page: number, cell: cell as u16 };
                    self.row_of(&page, at, &mut row)?;
                    visit(at, &row);
                }
                Ok(())
            }
            kind => Err(format!("page {number}: no page of a table (kind {kind:?})")),
        }
    }

    /// Reads the row at `at`.
    ///
    /// # Errors
    /// What is wrong with the file there.
    pub(super) fn row(&mut self, at: RowAt, row: &mut Row) -> Result<(), String> {
        let page = self.page(at.page)?;
        self.row_of(&page, at, row)
    }

    fn row_of(&mut self, page: &[u8], at: RowAt, row: &mut Row) -> Result<(), String> {
        let wrong = || format!("page {}, cell {}: beyond its page", at.page, at.cell);
        let cell = be16(page, head_of(at.page) + 8 + 2 * usize::from(at.cell)).ok_or_else(wrong)?;
        let (length, next) = varint(page, cell.into()).ok_or_else(wrong)?;
        let (key, begin) = varint(page, next).ok_or_else(wrong)?;
        let file_bytes = u64::from(self.pages) * self.page_bytes as u64;
        if length > ROW_BYTES_MAX.min(file_bytes) {
            return Err(format!("page {}, cell {}: a row of {length} bytes", at.page, at.cell));
        }
        let length = length as usize;
        let local = self.local_bytes(length);
        row.key = key as i64;
        row.record.clear();
        row.record.extend_from_slice(page.get(begin..begin + local).ok_or_else(wrong)?);
        if local < length {
            let first = be32(page, begin + local).ok_or_else(wrong)?;
            self.overflow(first, length, &mut row.record)?;
        }
        Ok(())
    }

    /// Bytes of a row of `length` that lie on its own page (file format, 1.6).
    fn local_bytes(&self, length: usize) -> usize {
        let most = self.usable - 35;
        if length <= most {
            return length;
        }
        let least = (self.usable - 12) * 32 / 255 - 23;
        let left = least + (length - least) % (self.usable - 4);
        if left <= most { left } else { least }
    }

    fn overflow(&mut self, first: u32, length: usize, record: &mut Vec<u8>) -> Result<(), String> {
        let mut next = first;
        while record.len() < length {
            let page = self.page(next)?;
            next = be32(&page, 0).unwrap_or(0);
            let take = (length - record.len()).min(self.usable - 4);
            record.extend_from_slice(page.get(4..4 + take).unwrap_or(&[]));
        }
        Ok(())
    }
}

/// Where a page's own header begins: the first page has the file's before it.
fn head_of(page: u32) -> usize {
    if page == 1 { FILE_HEADER_BYTES } else { 0 }
}
