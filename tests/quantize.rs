//! `ocellus quantize` on a network of known answer and real pictures' stand-ins: the twin sees the same, is told apart by
//! its manifest, and what cannot be quantized is refused with words.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::{Said, ocellus, root};

/// The detector of three colours: one Conv, a last layer, so that its floor must give way.
const NETWORK: &str = "tests/data/networks/yolov8_nonsquare_fp32.onnx";
const SIZE: (u32, u32) = (320, 192);

/// Pictures with a red cell at a place of its own each, on a smooth ground.
fn pictures(folder: &Path, count: u32) -> PathBuf {
    let pictures = folder.join("pictures");
    fs::create_dir(&pictures).unwrap();
    for i in 0..count {
        let pixel = |x: u32, y: u32| {
            let red = x / 16 == 3 + i && y / 16 == 6;
            image::Rgb(if red { [255, 0, 0] } else { [0, (x / 40) as u8, (y / 40) as u8] })
        };
        let file = pictures.join(format!("{:06}.png", i + 1));
        image::RgbImage::from_fn(SIZE.0, SIZE.1, pixel).save(file).unwrap();
    }
    pictures
}

fn quantize(model: &Path, data: &Path, out: &Path, more: &[&str]) -> Said {
    let words: [&std::ffi::OsStr; 6] = [
        "quantize".as_ref(),
        model.as_os_str(),
        "--data".as_ref(),
        data.as_os_str(),
        "--out".as_ref(),
        out.as_os_str(),
    ];
    ocellus(words.into_iter().chain(more.iter().map(|w| w.as_ref())))
}

fn boxes(model: &Path, pictures: &Path, out: &Path) -> Vec<Value> {
    let words = ["detect".as_ref(), model.as_os_str(), pictures.as_os_str(), "--coco".as_ref(), out.as_os_str()];
    let said = ocellus(words.into_iter().chain(["--score".as_ref(), "0.5".as_ref()]));
    assert_eq!(said.code, 0, "{}", said.err);
    serde_json::from_str(&fs::read_to_string(out).unwrap()).unwrap()
}

#[test]
fn twins_see_what_the_network_sees_and_say_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let (pictures, network) = (pictures(folder.path(), 8), root().join(NETWORK));
    let want = boxes(&network, &pictures, &folder.path().join("fp32.json"));
    assert_eq!(want.len(), 8);
    let low: &[&str] = &["--sqnr-floor", "0", "--last-floor", "0"];
    for (name, more, precision) in [("int8", low, "int8"), ("fp16", &["--fp16"], "fp16")] {
        let out = folder.path().join(name).join("twin.onnx");
        let said = quantize(&network, &pictures, &out, more);
        assert_eq!(said.code, 0, "{name}: {}\n{}", said.out, said.err);
        let first = fs::read(&out).unwrap();
        let found = boxes(&out, &pictures, &folder.path().join("out.json"));
        assert_eq!(found.len(), want.len(), "{name}: {found:?}");
        for (a, b) in want.iter().zip(&found) {
            for i in 0..4 {
                let (a, b) = (a["bbox"][i].as_f64().unwrap(), b["bbox"][i].as_f64().unwrap());
                assert!((a - b).abs() < 1.0, "{name}: {a} against {b}");
            }
        }
        let manifest: toml::Table =
            toml::from_str(&fs::read_to_string(out.with_file_name("model.toml")).unwrap()).unwrap();
        assert_eq!(manifest["precision"].as_str(), Some(precision));
        if name == "int8" {
            let quantization = manifest["quantization"].as_table().unwrap();
            assert_eq!(quantization["calibration_sha256"].as_str().unwrap().len(), 64);
            assert_eq!(quantization["sqnr_db"].as_table().unwrap().len(), 1);
            assert!(said.out.contains("dB") && said.out.contains("agreement  100.0 %"), "{}", said.out);
            // Integers are not quantized again.
            let again = quantize(&out, &pictures, &folder.path().join("again.onnx"), low);
            assert_eq!(again.code, 2, "{}", again.err);
            assert!(again.err.contains("already quantized"), "{}", again.err);
        }
        // The same again: the same bytes.
        assert_eq!(quantize(&network, &pictures, &out, more).code, 0);
        assert_eq!(fs::read(&out).unwrap(), first, "{name}");
    }
}

#[test]
fn a_twin_asks_of_scores_what_its_network_does() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = pictures(folder.path(), 4);
    let model = folder.path().join("model");
    fs::create_dir(&model).unwrap();
    let bytes = fs::read(root().join(NETWORK)).unwrap();
    let sha256: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
    fs::write(model.join("n.onnx"), bytes).unwrap();
    let manifest = format!(
        "name = \"n\"\nfile = \"n.onnx\"\nsha256 = \"{sha256}\"\nlicence = \"test\"\n\n[thresholds.per_class]\nred = 0.4\n\n\
         [calibration]\nmethod = \"isotonic\"\nd_ece = [0.2, 0.01]\nknots = [[0.0, 0.0], [0.9, 0.81], [1.0, 0.9]]\n"
    );
    fs::write(model.join("model.toml"), manifest).unwrap();
    let out = folder.path().join("twin").join("twin.onnx");
    let said = quantize(&model, &pictures, &out, &["--fp16"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let twin: toml::Table = toml::from_str(&fs::read_to_string(out.with_file_name("model.toml")).unwrap()).unwrap();
    assert_eq!(twin["thresholds"]["per_class"]["red"].as_float().map(|v| (v * 1e6).round()), Some(4e5));
    let calibration = twin["calibration"].as_table().unwrap();
    assert_eq!(calibration["knots"][1][1].as_float(), Some(0.81));
    assert!(calibration["provenance"].as_str().unwrap().contains("that of n"), "{calibration}");
    assert!(!calibration.contains_key("d_ece"), "what they are worth to the twin was not measured");
    let scores = |model: &Path| boxes(model, &pictures, &folder.path().join("o.json"))[0]["score"].as_f64().unwrap();
    assert!((scores(&model) - scores(&out)).abs() < 2e-3 && scores(&out) <= 0.9, "{}", scores(&out));
}

#[test]
fn a_twin_that_lost_too_much_is_written_up_and_not_written_unless_the_loss_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let (pictures, network) = (pictures(folder.path(), 4), root().join(NETWORK));
    let targets = folder.path().join("targets.toml");
    fs::write(&targets, "[size_mb]\nmax = 0.0\n").unwrap();
    let out = folder.path().join("fp16").join("twin.onnx");
    let strict = ["--fp16", "--targets", targets.to_str().unwrap()];
    let said = quantize(&network, &pictures, &out, &strict);
    assert_eq!(said.code, 4, "{}", said.err);
    assert!(said.err.contains("Size of all tensors") && said.err.contains("was not written"), "{}", said.err);
    assert!(!out.exists() && !out.with_file_name("model.toml").exists());
    let page = fs::read_to_string(out.with_file_name("statement.html")).unwrap();
    assert!(page.contains("must not ship"), "the page says what is lost");
    let said = quantize(
        &network,
        &pictures,
        &out,
        &[&strict[..], &["--accept", "size_mb=there is room enough here"]].concat(),
    );
    assert_eq!(said.code, 0, "{}", said.err);
    let statement: Value =
        serde_json::from_str(&fs::read_to_string(out.with_file_name("statement.json")).unwrap()).unwrap();
    assert_eq!(statement["shippable"], true);
    let of = |id: &str| statement["properties"].as_array().unwrap().iter().find(|p| p["id"] == id).unwrap().clone();
    let size = of("size_mb");
    assert_eq!(size["judgement"]["verdict"], "accepted");
    assert!(size["judgement"]["reason"].as_str().unwrap().contains("there is room enough here"));
    assert_eq!(of("agreement")["student"], 1.0);
    // It is about the very file beside it.
    let said = ocellus(["inspect".as_ref(), out.as_os_str()]);
    assert!(said.out.contains(statement["student"]["sha256"].as_str().unwrap()), "{}", said.out);
}

#[test]
fn what_cannot_be_quantized_is_refused_with_words() {
    let folder = tempfile::tempdir().unwrap();
    let (good, network) = (pictures(folder.path(), 4), root().join(NETWORK));
    let make = |name: &str, pixel: &dyn Fn(u32, u32, u32) -> [u8; 3]| {
        let data = folder.path().join(name);
        fs::create_dir(&data).unwrap();
        for i in 0..3 {
            let picture = image::RgbImage::from_fn(64, 48, |x, y| image::Rgb(pixel(i, x, y)));
            picture.save(data.join(format!("{i}.png"))).unwrap();
        }
        data
    };
    let noise = make("noise", &|i, x, y| {
        let mixed = (i + 7).wrapping_mul(x * 7919 + y * 104_729 + 13).wrapping_mul(2_654_435_761);
        [(mixed >> 24) as u8, (mixed >> 16) as u8, (mixed >> 8) as u8]
    });
    let grey = make("grey", &|_, _, _| [128; 3]);
    let same = make("same", &|_, x, y| [x as u8, y as u8, 0]);
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let text = folder.path().join("text.onnx");
    fs::write(&text, "no network").unwrap();
    let cut = folder.path().join("cut.onnx");
    fs::write(&cut, &fs::read(&network).unwrap()[..1500]).unwrap();
    let taken = folder.path().join("taken");
    fs::create_dir(&taken).unwrap();
    let other = format!("name = \"o\"\nfile = \"other.onnx\"\nsha256 = \"{}\"\nlicence = \"MIT\"\n", "0".repeat(64));
    fs::write(taken.join("model.toml"), other).unwrap();
    let out = folder.path().join("out.onnx");
    let depth = root().join("tests/data/networks/depth_metric.onnx");
    let cases: [(&Path, &Path, &Path, &[&str], &str); 12] = [
        (&network, &noise, &out, &[], "noise"),
        (&network, &grey, &out, &[], "no picture has any contrast"),
        (&network, &same, &out, &[], "the same picture 3 times"),
        (&network, &empty, &out, &[], "empty"),
        (&text, &good, &out, &[], "text.onnx"),
        (&cut, &good, &out, &[], "cut.onnx"),
        (&depth, &good, &out, &[], "the network has none"),
        (&network, &good, &out, &[], "below the floor"),
        (&network, &good, &out, &["--keep", "nowhere"], "layers:"),
        (&network, &good, &taken.join("new.onnx"), &[], "other.onnx"),
        (&network, &good, &out, &["--percentile", "10"], "90 to 100"),
        (&network, &good, &folder.path().join("out"), &[], ".onnx"),
    ];
    for (model, data, out, more, said_so) in cases {
        let strict = ["--sqnr-floor", "200"];
        let said = quantize(model, data, out, &[&strict, more].concat());
        assert!(matches!(said.code, 1 | 2), "{said_so}: {} {}", said.code, said.err);
        assert!(said.err.contains(said_so), "{said_so}: {}", said.err);
        assert!(!out.is_file(), "{said_so}: something was written");
    }
    if Path::new("/dev/full").exists() {
        let full = folder.path().join("full");
        fs::create_dir(&full).unwrap();
        std::os::unix::fs::symlink("/dev/full", full.join("twin.part")).unwrap();
        let said = quantize(&network, &good, &full.join("twin.onnx"), &["--fp16"]);
        assert_eq!(said.code, 1, "{}", said.err);
        assert!(said.err.contains("make room"), "{}", said.err);
    }
}
