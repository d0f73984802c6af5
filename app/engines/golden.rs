//! Golden pictures and what the CPU says of them: written once by `prepare` beside the engine, read again at each start.
//!
//! Pictures are JPEG files, and it is the file that is looked at by both sides, so that both see the same pixels.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use ocellus_percept::image::Image;
use ocellus_sinks::mcap::jpeg_from_image;

use super::answer::Answer;
use crate::measure::data::{Data, DataRequest, read_picture};

/// Quality of the pictures: what a camera's own JPEG has.
const QUALITY: u8 = 92;
const ANSWERS: &str = "answers.json";
const RAW: &str = "answers.raw";

/// A folder of golden pictures.
pub struct Golden {
    folder: PathBuf,
}

impl Golden {
    /// The folder at `folder`.
    pub fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Writes `frames` pictures of `source` into it. Errors: a source without pictures (exit code 2), a folder that cannot be
    /// written.
    pub fn take(&self, source: &str, frames: usize) -> Result<usize> {
        let request = DataRequest { sources: vec![source.to_owned()], gt: None, frames: Some(frames), maps: false };
        let data = Data::open(&request)?;
        let mut image = Image::empty();
        for (index, frame) in data.frames.iter().enumerate() {
            frame.read(&mut image).with_context(|| frame.name.clone())?;
            let path = self.picture(index);
            std::fs::write(&path, jpeg_from_image(image.view(), QUALITY)?)
                .with_context(|| format!("golden picture {}", path.display()))?;
        }
        Ok(data.frames.len())
    }

    fn picture(&self, index: usize) -> PathBuf {
        self.folder.join(format!("{index:03}.jpg"))
    }

    /// Reads the `index`-th picture; `None` behind the last.
    pub fn read(&self, index: usize, image: &mut Image) -> Result<Option<()>> {
        let path = self.picture(index);
        if !path.is_file() {
            return Ok(None);
        }
        read_picture(&path, image).with_context(|| path.display().to_string()).map(Some)
    }

    /// Writes what was said, by picture.
    pub fn write_answers(&self, answers: &[Answer]) -> Result<()> {
        let write = |name: &str, bytes: Vec<u8>| {
            let path = self.folder.join(name);
            std::fs::write(&path, bytes).with_context(|| path.display().to_string())
        };
        let raw = answers.iter().flat_map(|a| {
            let values = a.raw.iter().flat_map(|v| v.to_le_bytes());
            (a.raw.len() as u32).to_le_bytes().into_iter().chain(values)
        });
        write(RAW, raw.collect())?;
        write(ANSWERS, serde_json::to_vec(answers)?)
    }

    /// Reads what was said. Errors: files that are missing, cut short or of another kind.
    pub fn answers(&self) -> Result<Vec<Answer>> {
        let read = |name: &str| {
            let path = self.folder.join(name);
            std::fs::read(&path).with_context(|| path.display().to_string())
        };
        let mut answers: Vec<Answer> = serde_json::from_slice(&read(ANSWERS)?).context(ANSWERS)?;
        let bytes = read(RAW)?;
        let mut words = bytes.chunks_exact(4).filter_map(|four| four.try_into().ok());
        for answer in &mut answers {
            let length = u32::from_le_bytes(words.next().context("cut short").context(RAW)?) as usize;
            answer.raw = words.by_ref().take(length).map(f32::from_le_bytes).collect();
            if answer.raw.len() != length {
                return Err(anyhow!("{RAW}: expected {length} values of a picture, got {}", answer.raw.len()));
            }
        }
        Ok(answers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_back_as_they_were_and_a_cut_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let golden = Golden::at(folder.path());
        let answers = [
            Answer { raw: vec![1.5, f32::MIN, 0.0], depth: vec![Some(2.5), None], ..Answer::default() },
            Answer { raw: Vec::new(), non_finite: 1, ..Answer::default() },
        ];
        golden.write_answers(&answers).unwrap();
        assert_eq!(golden.answers().unwrap(), answers);
        let raw = folder.path().join(RAW);
        let bytes = std::fs::read(&raw).unwrap();
        std::fs::write(&raw, &bytes[..8]).unwrap();
        assert!(format!("{:#}", golden.answers().unwrap_err()).contains("expected 3 values"));
        assert!(golden.read(0, &mut Image::empty()).unwrap().is_none());
    }
}
