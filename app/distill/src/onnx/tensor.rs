//! Constants of a network: from Rust values and to them, whichever of ONNX's forms they are stored in.

use half::f16;

use super::OnnxError;
use super::proto::{TensorProto, data_type};

/// `TensorProto.data_location` of a tensor whose elements lie in another file.
const EXTERNAL: i32 = 1;

impl TensorProto {
    /// f32 elements, row-major.
    pub fn from_f32(name: &str, dims: &[usize], values: &[f32]) -> Self {
        let raw = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Self::from_raw(name, dims, data_type::FLOAT, raw)
    }

    /// f16 elements, rounded to the nearest.
    pub fn from_f16(name: &str, dims: &[usize], values: &[f16]) -> Self {
        let raw = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Self::from_raw(name, dims, data_type::FLOAT16, raw)
    }

    /// i64 elements.
    pub fn from_i64(name: &str, dims: &[usize], values: &[i64]) -> Self {
        let raw = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Self::from_raw(name, dims, data_type::INT64, raw)
    }

    /// i32 elements.
    pub fn from_i32(name: &str, dims: &[usize], values: &[i32]) -> Self {
        let raw = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Self::from_raw(name, dims, data_type::INT32, raw)
    }

    /// i8 elements.
    pub fn from_i8(name: &str, dims: &[usize], values: &[i8]) -> Self {
        Self::from_raw(name, dims, data_type::INT8, values.iter().map(|v| v.cast_unsigned()).collect())
    }

    /// u8 elements.
    pub fn from_u8(name: &str, dims: &[usize], values: &[u8]) -> Self {
        Self::from_raw(name, dims, data_type::UINT8, values.to_vec())
    }

    fn from_raw(name: &str, dims: &[usize], element: i32, raw: Vec<u8>) -> Self {
        Self {
            dims: dims.iter().map(|d| *d as i64).collect(),
            data_type: Some(element),
            name: Some(name.to_owned()),
            raw_data: Some(raw),
            ..Self::default()
        }
    }

    /// Its dimensions; a negative one counts as 0.
    pub fn shape(&self) -> Vec<usize> {
        self.dims.iter().map(|d| usize::try_from(*d).unwrap_or(0)).collect()
    }

    /// Number of elements its dimensions say.
    pub fn len(&self) -> usize {
        self.shape().iter().product()
    }

    /// Whether it has no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// An error where its elements lie in another file.
    pub fn check_is_here(&self) -> Result<(), OnnxError> {
        if self.data_location() != EXTERNAL {
            return Ok(());
        }
        let file = self.external_data.iter().find(|e| e.key() == "location").map_or("", |e| e.value());
        Err(OnnxError::External { tensor: self.name().to_owned(), file: file.to_owned() })
    }

    /// Its elements as f32: from f32, f16 or f64.
    pub fn to_f32(&self) -> Result<Vec<f32>, OnnxError> {
        self.check_is_here()?;
        let values: Vec<f32> = match (self.data_type(), &self.raw_data) {
            (data_type::FLOAT, Some(raw)) => chunks(raw).map(f32::from_le_bytes).collect(),
            (data_type::FLOAT, None) => self.float_data.clone(),
            (data_type::FLOAT16, Some(raw)) => chunks(raw).map(|b| f16::from_le_bytes(b).to_f32()).collect(),
            (data_type::FLOAT16, None) => {
                self.int32_data.iter().map(|bits| f16::from_bits(*bits as u16).to_f32()).collect()
            }
            (data_type::DOUBLE, Some(raw)) => chunks(raw).map(|b| f64::from_le_bytes(b) as f32).collect(),
            (data_type::DOUBLE, None) => self.double_data.iter().map(|v| *v as f32).collect(),
            (got, _) => return Err(self.wrong_type("float", got)),
        };
        self.whole(values)
    }

    /// Its elements as i64: from i64 or i32.
    pub fn to_i64(&self) -> Result<Vec<i64>, OnnxError> {
        self.check_is_here()?;
        let values: Vec<i64> = match (self.data_type(), &self.raw_data) {
            (data_type::INT64, Some(raw)) => chunks(raw).map(i64::from_le_bytes).collect(),
            (data_type::INT64, None) => self.int64_data.clone(),
            (data_type::INT32, Some(raw)) => chunks(raw).map(|b| i32::from_le_bytes(b).into()).collect(),
            (data_type::INT32, None) => self.int32_data.iter().map(|v| (*v).into()).collect(),
            (got, _) => return Err(self.wrong_type("integer", got)),
        };
        self.whole(values)
    }

    fn wrong_type(&self, expected: &'static str, got: i32) -> OnnxError {
        OnnxError::TensorType { tensor: self.name().to_owned(), expected, got }
    }

    fn whole<T>(&self, values: Vec<T>) -> Result<Vec<T>, OnnxError> {
        if values.len() == self.len() {
            return Ok(values);
        }
        let (tensor, dims) = (self.name().to_owned(), self.dims.clone());
        Err(OnnxError::TensorSize { tensor, dims, got: values.len() })
    }
}

fn chunks<const N: usize>(raw: &[u8]) -> impl Iterator<Item = [u8; N]> + '_ {
    raw.as_chunks::<N>().0.iter().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_come_back_from_every_form() {
        let values = [1.5_f32, -2.0, 0.25, 65504.0];
        assert_eq!(TensorProto::from_f32("w", &[2, 2], &values).to_f32().unwrap(), values);
        let halves = values.map(f16::from_f32);
        assert_eq!(TensorProto::from_f16("w", &[4], &halves).to_f32().unwrap(), values);
        let bits = halves.iter().map(|h| i32::from(h.to_bits())).collect();
        let typed = TensorProto {
            dims: vec![4],
            data_type: Some(data_type::FLOAT16),
            int32_data: bits,
            ..TensorProto::default()
        };
        assert_eq!(typed.to_f32().unwrap(), values);
        let typed = TensorProto {
            dims: vec![2],
            data_type: Some(data_type::DOUBLE),
            double_data: vec![1.0, 2.0],
            ..TensorProto::default()
        };
        assert_eq!(typed.to_f32().unwrap(), [1.0, 2.0]);
        assert_eq!(TensorProto::from_i64("a", &[3], &[1, -1, i64::MAX]).to_i64().unwrap(), [1, -1, i64::MAX]);
        assert_eq!(TensorProto::from_i32("a", &[2], &[7, -7]).to_i64().unwrap(), [7, -7]);
        assert_eq!(TensorProto::from_f32("scalar", &[], &[3.0]).to_f32().unwrap(), [3.0]);
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let mut tensor = TensorProto::from_f32("w", &[2, 2], &[0.0; 4]);
        assert!(matches!(tensor.to_i64(), Err(OnnxError::TensorType { expected: "integer", got: 1, .. })));
        tensor.dims = vec![5];
        assert!(matches!(tensor.to_f32(), Err(OnnxError::TensorSize { got: 4, .. })));
        tensor.data_location = Some(EXTERNAL);
        assert!(matches!(tensor.to_f32(), Err(OnnxError::External { .. })));
    }
}
