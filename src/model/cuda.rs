//! Whether a GPU can be used, asked before burn is: burn panics where the driver or the CUDA toolkit is missing.
#![expect(unsafe_code, reason = "libraries are looked for at run time")]

use std::path::{Path, PathBuf};

use cudarc::{
    driver::{self, CudaContext},
    nvrtc,
};

/// Says in one line why no GPU can be used.
///
/// # Errors
/// If there is no driver, no GPU or no toolkit to compile kernels with.
pub fn check() -> Result<(), String> {
    // SAFETY: only looks whether the library can be opened.
    if !unsafe { driver::sys::is_culib_present() } {
        return Err("no NVIDIA driver was found (libcuda.so)".into());
    }
    match CudaContext::device_count() {
        Ok(0) => return Err("no GPU was found; is CUDA_VISIBLE_DEVICES empty?".into()),
        Ok(_) => {}
        Err(e) => return Err(format!("the NVIDIA driver cannot be used: {e}")),
    }
    // SAFETY: as above.
    if !unsafe { nvrtc::sys::is_culib_present() } {
        let help = "install the CUDA toolkit and name it in LD_LIBRARY_PATH";
        return Err(format!("CUDA's run-time compiler was not found (libnvrtc.so); {help}"));
    }
    if !toolkit().is_some_and(|folder| folder.join("include").is_dir()) {
        return Err("CUDA's headers were not found; set CUDA_PATH to the folder of the CUDA toolkit".into());
    }
    Ok(())
}

/// The CUDA toolkit's folder, where burn's compiler of kernels looks for it.
fn toolkit() -> Option<PathBuf> {
    let usual = ["/usr/local/cuda", "/opt/cuda"].map(PathBuf::from).into_iter().find(|folder| folder.is_dir());
    let packaged = || Path::new("/usr/bin/nvcc").exists().then(|| PathBuf::from("/usr"));
    std::env::var_os("CUDA_PATH").map(PathBuf::from).or(usual).or_else(packaged)
}
