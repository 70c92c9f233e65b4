//! Whether a GPU can be used, asked before burn is: burn panics where the driver is missing.
#![expect(unsafe_code, reason = "the driver's library is looked for at run time")]

use cudarc::driver::{CudaContext, sys};

/// Says in one line why no GPU can be used.
///
/// # Errors
/// If there is no driver or no GPU.
pub fn check() -> Result<(), String> {
    // SAFETY: only looks whether the library can be opened.
    if !unsafe { sys::is_culib_present() } {
        return Err("no NVIDIA driver was found (libcuda.so); train with --devices cpu".into());
    }
    match CudaContext::device_count() {
        Ok(0) => Err("no GPU was found; is CUDA_VISIBLE_DEVICES empty?".into()),
        Ok(_) => Ok(()),
        Err(e) => Err(format!("the NVIDIA driver cannot be used: {e}")),
    }
}
