//! The quantizer on small graphs, run by an engine that knows a handful of operators and nothing of ONNX Runtime.

use std::collections::BTreeMap;
use std::ops::Range;

use ocellus_percept::tensor::{TensorData, TensorView};

use super::*;
use crate::onnx::proto::{NodeProto, TensorProto, ValueInfoProto};

/// Vectors in, vectors out: MatMul by constant matrices, Relu, Add, and the pair of QDQ.
struct Toy {
    frames: Vec<Vec<f32>>,
}

impl Toy {
    fn node(node: &NodeProto, get: impl Fn(usize) -> Vec<f32>, columns: usize, axis_len: usize) -> Vec<f32> {
        match node.op_type() {
            "MatMul" => {
                let (x, w) = (get(0), get(1));
                (0..columns).map(|c| x.iter().enumerate().map(|(r, v)| v * w[r * columns + c]).sum()).collect()
            }
            "Relu" => get(0).iter().map(|v| v.max(0.0)).collect(),
            "Add" => get(0).iter().zip(get(1)).map(|(a, b)| a + b).collect(),
            "QuantizeLinear" => {
                let (s, z) = (get(1)[0], get(2)[0]);
                let (low, high) = if z < 0.0 { (-128.0, 127.0) } else { (0.0, 255.0) };
                get(0).iter().map(|v| ((v / s).round_ties_even() + z).clamp(low, high)).collect()
            }
            "DequantizeLinear" => {
                let (s, z) = (get(1), get(2));
                let at = |i: usize| if s.len() == 1 { 0 } else { i % axis_len };
                get(0).iter().enumerate().map(|(i, v)| (v - z[at(i)]) * s[at(i)]).collect()
            }
            other => panic!("the toy does not know {other}"),
        }
    }
}

fn values(t: &TensorProto) -> Vec<f32> {
    match t.data_type() {
        data_type::UINT8 => t.raw_data().iter().map(|b| f32::from(*b)).collect(),
        data_type::INT8 => t.raw_data().iter().map(|b| f32::from(b.cast_signed())).collect(),
        _ => t.to_f32().unwrap(),
    }
}

impl Engine for Toy {
    fn run(
        &mut self,
        model: &[u8],
        frames: Range<usize>,
        read: &mut dyn FnMut(usize, &[TensorView<'_>]),
    ) -> Result<(), EngineError> {
        let model = crate::onnx::read(model)?;
        let graph = model.graph.unwrap();
        for frame in frames {
            let mut known: BTreeMap<String, Vec<f32>> =
                graph.initializer.iter().map(|t| (t.name().to_owned(), values(t))).collect();
            known.insert("x".into(), self.frames[frame].clone());
            for node in &graph.node {
                let last = node.input.get(1).and_then(|w| graph.initializer(w)).map_or(1, TensorProto::len);
                let weight = known.get(node.input.get(1).map_or("", String::as_str)).map_or(0, Vec::len);
                let rows = known[&node.input[0]].len();
                let out = Self::node(node, |i| known[&node.input[i]].clone(), weight / rows.max(1), last);
                known.insert(node.output[0].clone(), out);
            }
            let shapes: Vec<[usize; 1]> = known.values().map(|v| [v.len()]).collect();
            let wanted = |name: &str| name == "x" || graph.output.iter().any(|o| o.name() == name);
            let all = known.iter().zip(&shapes).filter(|((name, _), _)| wanted(name));
            let views: Vec<TensorView<'_>> =
                all.map(|((name, v), shape)| TensorView { name, shape, data: TensorData::F32(v) }).collect();
            read(frame, &views);
        }
        Ok(())
    }
}

fn frames() -> Vec<Vec<f32>> {
    (0..20).map(|f| (0..4).map(|i| ((f * 7 + i * 3) % 11) as f32 / 5.0 - 1.0).collect()).collect()
}

/// x (4) -> MatMul -> Relu -> MatMul -> y (2); `second` scales one weight of the second.
fn network(second: f32) -> ModelProto {
    let w1: Vec<f32> = (0..12).map(|i| ((i * 5) % 7) as f32 / 7.0 - 0.4).collect();
    let mut w2: Vec<f32> = (0..6).map(|i| ((i * 3) % 5) as f32 / 5.0 - 0.3).collect();
    w2[0] *= second;
    let graph = GraphProto {
        node: vec![
            NodeProto::new("MatMul", &["x", "w1"], &["a"]),
            NodeProto::new("Relu", &["a"], &["b"]),
            NodeProto::new("MatMul", &["b", "w2"], &["y"]),
        ],
        initializer: vec![TensorProto::from_f32("w1", &[4, 3], &w1), TensorProto::from_f32("w2", &[3, 2], &w2)],
        input: vec![ValueInfoProto::tensor("x", data_type::FLOAT, &[Some(4)])],
        output: vec![ValueInfoProto::tensor("y", data_type::FLOAT, &[Some(2)])],
        ..GraphProto::default()
    };
    ModelProto::new(graph, 17)
}

fn options() -> Options {
    Options { method: Method::MinMax, last_floor_db: 0.0, ..Options::default() }
}

#[test]
fn a_quantized_network_says_nearly_the_same() {
    let result = quantize(network(1.0), &mut Toy { frames: frames() }, 20, &options()).unwrap();
    assert_eq!(result.report.quantized(), 2);
    let db = result.report.outputs[0].1.unwrap();
    assert!((30.0..70.0).contains(&db), "{db}");
    let graph = result.model.graph.unwrap();
    assert!(graph.initializer.iter().filter(|t| t.dims.len() == 2).all(|t| t.data_type() == data_type::INT8));
    assert!(graph.output.iter().any(|o| o.name() == "y"));
}

#[test]
fn layers_below_the_floor_and_those_named_stay_float() {
    let engine = || Toy { frames: frames() };
    let strict = Options { sqnr_floor_db: 200.0, ..options() };
    let error = quantize(network(1.0), &mut engine(), 20, &strict).unwrap_err().to_string();
    assert!(error.contains("MatMul_a") && error.contains("200 dB"), "{error}");
    let told = Options { keep: vec!["MatMul_y".into()], ..options() };
    let result = quantize(network(1.0), &mut engine(), 20, &told).unwrap();
    assert_eq!((result.report.quantized(), result.report.layers[1].kept), (1, Some(Kept::Told)));
    let last = Options { last_floor_db: 200.0, ..options() };
    let result = quantize(network(1.0), &mut engine(), 20, &last).unwrap();
    assert_eq!(result.report.layers[1].kept, Some(Kept::LastLayer));
    let unknown = Options { keep: vec!["nowhere".into()], ..options() };
    let error = quantize(network(1.0), &mut engine(), 20, &unknown).unwrap_err().to_string();
    assert!(error.contains("MatMul_a, MatMul_y"), "{error}");
}

#[test]
fn the_same_frames_give_the_same_bytes() {
    let make = || quantize(network(1.0), &mut Toy { frames: frames() }, 20, &Options::default()).unwrap();
    assert_eq!(crate::onnx::write(&make().model), crate::onnx::write(&make().model));
}

#[test]
fn what_cannot_be_quantized_says_why() {
    let engine = || Toy { frames: frames() };
    let quantized = quantize(network(1.0), &mut engine(), 20, &options()).unwrap().model;
    let again = quantize(quantized, &mut engine(), 20, &options()).unwrap_err();
    assert!(matches!(again, QuantizeError::Already { what: "quantized", .. }), "{again}");
    assert!(matches!(quantize(network(1.0), &mut engine(), 0, &options()), Err(QuantizeError::NoFrames)));
    let mut nan = engine();
    nan.frames[3][1] = f32::NAN;
    let error = quantize(network(1.0), &mut nan, 20, &options()).unwrap_err();
    assert!(matches!(error, QuantizeError::NotFinite { frame: 3, .. }), "{error}");
}

#[test]
fn half_precision_casts_at_the_borders_only() {
    let twin = half::half(network(1.0)).unwrap();
    assert_eq!((twin.converted, twin.cut), (2, 0));
    let graph = twin.model.graph.as_ref().unwrap();
    let operators: Vec<&str> = graph.node.iter().map(|n| n.op_type()).collect();
    assert_eq!(operators, ["Cast", "MatMul", "Relu", "MatMul", "Cast"]);
    assert!(graph.initializer.iter().all(|t| t.data_type() == data_type::FLOAT16));
    assert_eq!(half::half(network(1e6)).unwrap().cut, 1);
    assert!(matches!(half::half(twin.model), Err(QuantizeError::Already { what: "half precision", .. })));
}
