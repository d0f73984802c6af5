//! Tables in Feather files (version 2: the Arrow IPC file format, LZ4 or Zstd compressed), as Argoverse 2 uses them.
//!
//! Columns are found by name and may have any numeric type. A missing column or a foreign type is an error that names the
//! file, the column, and what was found.

use std::io::Cursor;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_ipc::reader::{FileReader, read_footer_length};
use arrow_ipc::{root_as_footer, root_as_message};
use arrow_schema::DataType;
use ocellus_percept::cloud::Cloud;

use crate::error::{ReadError, SenseError};

/// The place of a fault that is in no single column.
const WHERE: &str = "Arrow IPC data";

/// Most bytes a table may take in memory: a sweep takes 2 MB, the poses and labels of a log less.
const TABLE_BYTES_MAX: u64 = 1 << 30;

/// What is wrong with a table.
#[derive(Debug)]
pub(crate) enum TableError {
    /// The file cannot be opened.
    Io(std::io::Error),
    /// The file is there and is not the table expected.
    Format { place: String, expected: String, got: String },
}

impl TableError {
    fn format(place: impl Into<String>, expected: impl Into<String>, got: impl Into<String>) -> Self {
        Self::Format { place: place.into(), expected: expected.into(), got: got.into() }
    }

    fn into_sense(self, file: &Path) -> SenseError {
        match self {
            Self::Io(source) => SenseError::Io { path: file.into(), doing: "reading the table", source },
            Self::Format { place, expected, got } => SenseError::Format { file: file.into(), place, expected, got },
        }
    }

    fn into_read(self, file: &Path) -> ReadError {
        match self {
            Self::Io(error) => ReadError::from_io(file, &error),
            Self::Format { place, expected, got } => {
                ReadError::Corrupt { origin: file.display().to_string(), place, expected, got }
            }
        }
    }
}

/// A table read into memory.
pub(crate) struct Table {
    path: PathBuf,
    batches: Vec<RecordBatch>,
}

impl Table {
    /// Reads a whole file.
    pub(crate) fn read(path: &Path) -> Result<Self, SenseError> {
        let batches = read_batches(path).map_err(|e| e.into_sense(path))?;
        Ok(Self { path: path.to_path_buf(), batches })
    }

    /// Rows.
    pub(crate) fn len(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// A numeric column.
    pub(crate) fn numbers(&self, name: &str) -> Result<Vec<f64>, SenseError> {
        let mut values = Vec::with_capacity(self.len());
        for batch in &self.batches {
            column(batch, name)
                .and_then(|c| for_each_f64(name, c, |v| values.push(v)))
                .map_err(|e| e.into_sense(&self.path))?;
        }
        Ok(values)
    }

    /// A column of whole numbers that do not fit a float (time stamps).
    pub(crate) fn integers(&self, name: &str) -> Result<Vec<i64>, SenseError> {
        let mut values = Vec::with_capacity(self.len());
        for batch in &self.batches {
            let column = column(batch, name).map_err(|e| e.into_sense(&self.path))?;
            match column.data_type() {
                DataType::Int64 => values.extend(column.as_primitive::<Int64Type>().values()),
                DataType::UInt64 => {
                    let unsigned = column.as_primitive::<UInt64Type>().values().iter();
                    values.extend(unsigned.map(|&v| i64::try_from(v).unwrap_or(i64::MAX)));
                }
                other => {
                    let error = TableError::format(format!("column {name}"), "64-bit whole numbers", other.to_string());
                    return Err(error.into_sense(&self.path));
                }
            }
        }
        Ok(values)
    }

    /// A column of text.
    pub(crate) fn texts(&self, name: &str) -> Result<Vec<String>, SenseError> {
        let mut values = Vec::with_capacity(self.len());
        for batch in &self.batches {
            let column = column(batch, name).map_err(|e| e.into_sense(&self.path))?;
            let mut push = |v: Option<&str>| values.push(v.unwrap_or_default().to_owned());
            match column.data_type() {
                DataType::Utf8 => column.as_string::<i32>().iter().for_each(&mut push),
                DataType::LargeUtf8 => column.as_string::<i64>().iter().for_each(&mut push),
                other => {
                    let error = TableError::format(format!("column {name}"), "text", other.to_string());
                    return Err(error.into_sense(&self.path));
                }
            }
        }
        Ok(values)
    }
}

/// Reads an Argoverse 2 sweep into `cloud`, which must be empty.
///
/// The points are in the ego-vehicle's frame and already moved to the sweep's stamp by the data set, so they carry no time
/// offsets: moving them again would be wrong.
pub(crate) fn read_sweep(path: &Path, cloud: &mut Cloud) -> Result<(), ReadError> {
    let fault = |e: TableError| e.into_read(path);
    for batch in &read_batches(path).map_err(fault)? {
        append_sweep(batch, cloud).map_err(fault)?;
    }
    Ok(())
}

fn append_sweep(batch: &RecordBatch, cloud: &mut Cloud) -> Result<(), TableError> {
    let start = cloud.xyz.len();
    cloud.xyz.resize(start + batch.num_rows(), [f32::NAN; 3]);
    for (axis, name) in ["x", "y", "z"].into_iter().enumerate() {
        let mut points = cloud.xyz[start..].iter_mut();
        for_each_f64(name, column(batch, name)?, |v| {
            if let Some(point) = points.next() {
                point[axis] = v as f32;
            }
        })?;
    }
    for_each_f64("intensity", column(batch, "intensity")?, |v| cloud.intensity.push((v / 255.0) as f32))?;
    for_each_f64("laser_number", column(batch, "laser_number")?, |v| cloud.ring.push(v as u16))
}

fn read_batches(path: &Path) -> Result<Vec<RecordBatch>, TableError> {
    let fault = |got: String| TableError::format(WHERE, "a whole Feather (version 2) file; copy it again", got);
    let bytes = std::fs::read(path).map_err(TableError::Io)?;
    check_sizes(&bytes).map_err(fault)?;
    // The reader asserts what it takes for granted of a file; a broken file must not end the program.
    let read = || FileReader::try_new(Cursor::new(&bytes), None)?.collect::<Result<Vec<_>, _>>();
    match std::panic::catch_unwind(AssertUnwindSafe(read)) {
        Ok(batches) => batches.map_err(|e| fault(e.to_string())),
        Err(_) => Err(fault("data that contradicts its own headers".into())),
    }
}

/// Checks the sizes that a file promises against the bytes that are there: the reader would allocate what is promised, and
/// an allocation too large ends the program. The error says what was found.
fn check_sizes(bytes: &[u8]) -> Result<(), String> {
    let broken = |part: &str| format!("a broken {part}");
    let (body, trailer) = bytes.split_last_chunk::<10>().ok_or_else(|| format!("{} bytes", bytes.len()))?;
    let footer_bytes = read_footer_length(*trailer).map_err(|e| e.to_string())?;
    let footer = body.len().checked_sub(footer_bytes).and_then(|at| body.get(at..)).ok_or_else(|| broken("footer"))?;
    let footer = root_as_footer(footer).map_err(|_| broken("footer"))?;
    let blocks = footer.recordBatches().into_iter().chain(footer.dictionaries()).flatten();
    let mut promised = 0_u64;
    for block in blocks {
        let part = |at: Option<usize>, length: usize| bytes.get(at?..at?.checked_add(length)?);
        let head_bytes = usize::try_from(block.metaDataLength()).map_err(|_| broken("block"))?;
        let data_bytes = usize::try_from(block.bodyLength()).map_err(|_| broken("block"))?;
        let at = usize::try_from(block.offset()).ok();
        let head = part(at, head_bytes).ok_or_else(|| broken("block"))?;
        let data = part(at.and_then(|at| at.checked_add(head_bytes)), data_bytes).ok_or_else(|| broken("block"))?;
        promised = promised.saturating_add(promised_bytes(head, data).ok_or_else(|| broken("message"))?);
        if promised > TABLE_BYTES_MAX {
            return Err(format!("columns of {promised} bytes or more, at most {TABLE_BYTES_MAX} are read"));
        }
    }
    Ok(())
}

/// Bytes that the columns of one message (`head`) take when its `data` is decompressed; `None` where it is broken.
fn promised_bytes(head: &[u8], data: &[u8]) -> Option<u64> {
    // A message is led by its length, and since version 0.15 of the format by a marker before that.
    let message = if head.starts_with(&[0xFF; 4]) { head.get(8..)? } else { head.get(4..)? };
    let message = root_as_message(message).ok()?;
    let dictionary = message.header_as_dictionary_batch();
    let batch = message.header_as_record_batch().or_else(|| dictionary?.data())?;
    let compressed = batch.compression().is_some();
    let mut total = 0_u64;
    for buffer in batch.buffers()? {
        let (at, length) = (usize::try_from(buffer.offset()).ok()?, usize::try_from(buffer.length()).ok()?);
        let column = data.get(at..at.checked_add(length)?)?;
        // A compressed column is led by its length, -1 where it is stored as it is.
        let bytes = match column.first_chunk::<8>() {
            Some(lead) if compressed && *lead != [0xFF; 8] => u64::from_le_bytes(*lead),
            _ => length as u64,
        };
        total = total.saturating_add(bytes);
    }
    Some(total)
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, TableError> {
    batch.column_by_name(name).ok_or_else(|| {
        let schema = batch.schema();
        let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
        TableError::format("columns", format!("a column {name}"), names.join(", "))
    })
}

/// Calls `f` with each value of a numeric column, NaN where it is null.
fn for_each_f64(name: &str, column: &ArrayRef, mut f: impl FnMut(f64)) -> Result<(), TableError> {
    macro_rules! each {
        ($kind:ty, $value:ident => $as_f64:expr) => {
            column.as_primitive::<$kind>().iter().for_each(|v| f(v.map_or(f64::NAN, |$value| $as_f64)))
        };
    }
    match column.data_type() {
        DataType::Float16 => each!(Float16Type, v => v.to_f64()),
        DataType::Float32 => each!(Float32Type, v => f64::from(v)),
        DataType::Float64 => each!(Float64Type, v => v),
        DataType::Int8 => each!(Int8Type, v => f64::from(v)),
        DataType::UInt8 => each!(UInt8Type, v => f64::from(v)),
        DataType::Int16 => each!(Int16Type, v => f64::from(v)),
        DataType::UInt16 => each!(UInt16Type, v => f64::from(v)),
        DataType::Int32 => each!(Int32Type, v => f64::from(v)),
        DataType::UInt32 => each!(UInt32Type, v => f64::from(v)),
        DataType::Int64 => each!(Int64Type, v => v as f64),
        DataType::UInt64 => each!(UInt64Type, v => v as f64),
        other => return Err(TableError::format(format!("column {name}"), "numbers", other.to_string())),
    }
    Ok(())
}
