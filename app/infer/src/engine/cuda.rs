//! What NVIDIA's driver says of its first device: name, compute capability, the CUDA version it supports. Absent where there is no
//! driver, or where it answers with an error.

use std::ffi::{c_char, c_int};

use libloading::Library;

/// The driver's library, on Jetsons and PCs alike.
const DRIVER: &str = "libcuda.so.1";
/// `CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR` and `_MINOR` of cuda.h.
const CAPABILITY: [c_int; 2] = [75, 76];
/// Room for a device's name.
const NAME_BYTES: usize = 128;

/// The first device.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Device {
    /// As the driver names it (`Orin`).
    pub name: String,
    /// Compute capability (`8.7`).
    pub capability: String,
    /// Newest CUDA version that the driver supports (`12.6`).
    pub cuda: String,
}

/// The first device; `None` where there is none.
pub fn device() -> Option<Device> {
    device_of(DRIVER)
}

fn device_of(driver: &str) -> Option<Device> {
    // SAFETY: NVIDIA's driver library, whose initialisers any CUDA program runs.
    let library = unsafe { Library::new(driver) }.ok()?;
    // The driver is not made to be unloaded.
    let driver = Driver(std::mem::ManuallyDrop::new(library));
    driver.look()
}

struct Driver(std::mem::ManuallyDrop<Library>);

impl Driver {
    /// Calls of cuda.h; each returns 0 where it did what was asked.
    fn look(&self) -> Option<Device> {
        // SAFETY: names and types are those of cuda.h, and every pointer is to a live local of the type it writes.
        unsafe {
            let init = self.0.get::<unsafe extern "C" fn(u32) -> c_int>(b"cuInit\0").ok()?;
            let get = self.0.get::<unsafe extern "C" fn(*mut c_int, c_int) -> c_int>(b"cuDeviceGet\0").ok()?;
            let name_of =
                self.0.get::<unsafe extern "C" fn(*mut c_char, c_int, c_int) -> c_int>(b"cuDeviceGetName\0").ok()?;
            let attribute = self
                .0
                .get::<unsafe extern "C" fn(*mut c_int, c_int, c_int) -> c_int>(b"cuDeviceGetAttribute\0")
                .ok()?;
            let version = self.0.get::<unsafe extern "C" fn(*mut c_int) -> c_int>(b"cuDriverGetVersion\0").ok()?;
            let (mut device, mut cuda, mut capability) = (0, 0, [0; 2]);
            let mut name = [0u8; NAME_BYTES];
            let well = init(0) == 0
                && get(&mut device, 0) == 0
                && version(&mut cuda) == 0
                && name_of(name.as_mut_ptr().cast(), NAME_BYTES as c_int, device) == 0
                && attribute(&mut capability[0], CAPABILITY[0], device) == 0
                && attribute(&mut capability[1], CAPABILITY[1], device) == 0;
            let text = name.split(|byte| *byte == 0).next().unwrap_or_default();
            well.then(|| Device {
                name: String::from_utf8_lossy(text).into_owned(),
                capability: format!("{}.{}", capability[0], capability[1]),
                cuda: format!("{}.{}", cuda / 1000, cuda % 1000 / 10),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A driver made of C, as cuda.h describes it: a device, or an error.
    fn made(folder: &std::path::Path, init: i32) -> Option<Device> {
        let (source, library) = (folder.join("cuda.c"), folder.join(format!("libcuda{init}.so")));
        let text = format!(
            "#include <string.h>\nint cuInit(unsigned f) {{ return {init}; }}\n\
             int cuDeviceGet(int *d, int i) {{ *d = 3; return i; }}\n\
             int cuDriverGetVersion(int *v) {{ *v = 12060; return 0; }}\n\
             int cuDeviceGetName(char *n, int l, int d) {{ strncpy(n, \"Orin\", l); return d == 3 ? 0 : 1; }}\n\
             int cuDeviceGetAttribute(int *p, int a, int d) {{ *p = a == 75 ? 8 : 7; return 0; }}\n"
        );
        std::fs::write(&source, text).unwrap();
        // Where the tests are emulated, the computer's own compiler builds for another processor.
        let compiler = std::env::var_os("OCELLUS_TEST_CC").unwrap_or_else(|| "cc".into());
        let built =
            std::process::Command::new(compiler).args(["-shared", "-fPIC", "-o"]).args([&library, &source]).status();
        assert!(built.unwrap().success());
        device_of(library.to_str().unwrap())
    }

    #[test]
    fn a_driver_tells_its_device_and_one_that_fails_tells_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let expected = Device { name: "Orin".into(), capability: "8.7".into(), cuda: "12.6".into() };
        assert_eq!(made(folder.path(), 0), Some(expected));
        // CUDA_ERROR_NO_DEVICE
        assert_eq!(made(folder.path(), 100), None);
        assert_eq!(device_of("libnothing-of-this-name.so"), None);
    }
}
