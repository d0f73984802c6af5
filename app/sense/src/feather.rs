//! Tables in Feather files (version 2: the Arrow IPC file format, LZ4 or Zstd compressed), as Argoverse 2 uses them.
//!
//! Columns are found by name and may have any numeric type. A missing column or a foreign type is an error that names the
//! file, the column, and what was found.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_ipc::reader::FileReader;
use arrow_schema::DataType;
use ocellus_percept::cloud::Cloud;

use crate::error::{ReadError, SenseError};

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
    let fault = |e: arrow_schema::ArrowError| {
        TableError::format("Arrow IPC data", "a whole Feather (version 2) file; copy it again", e.to_string())
    };
    let file = File::open(path).map_err(TableError::Io)?;
    let reader = FileReader::try_new(BufReader::new(file), None).map_err(fault)?;
    reader.collect::<Result<_, _>>().map_err(fault)
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
