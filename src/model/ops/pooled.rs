//! Tensors of the CPU backend whose memory comes from the kernels' pool and goes back to it, so that no step asks
//! the system for fresh pages.
#![expect(unsafe_code, reason = "burn wants the memory of its own allocations as raw bytes")]

use std::{
    mem::{ManuallyDrop, MaybeUninit},
    ptr::NonNull,
    slice,
};

use burn::tensor::TensorData;
use burn_flex::FlexTensor;
use burn_std::{AllocationController, AllocationProperty, Bytes, DType};

use crate::model::kernels::pool;

/// A tensor of `values` that returns them to the pool when it is dropped.
pub(super) fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    let length = size_of_val(values.as_slice());
    // SAFETY: the first `length` bytes of the controller's memory are the initialised values.
    let bytes = unsafe { Bytes::from_controller(Box::new(Pooled(ManuallyDrop::new(values))), length) };
    FlexTensor::from_data(TensorData::from_bytes(bytes, shape, DType::F32))
}

/// The values of `x`, without a copy where nothing else holds them.
pub(super) fn values(x: FlexTensor) -> Vec<f32> {
    let length = x.layout().num_elements();
    x.into_data().into_vec().unwrap_or_else(|_| vec![f32::NAN; length])
}

/// Memory on loan from the pool.
struct Pooled(ManuallyDrop<Vec<f32>>);

impl Drop for Pooled {
    fn drop(&mut self) {
        pool::give(std::mem::take(&mut *self.0));
    }
}

impl AllocationController for Pooled {
    fn alloc_align(&self) -> usize {
        align_of::<f32>()
    }

    fn property(&self) -> AllocationProperty {
        AllocationProperty::Native
    }

    unsafe fn memory_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        let bytes = self.0.capacity() * size_of::<f32>();
        // SAFETY: the vector owns that many bytes, and bytes need no alignment; the caller writes initialised ones.
        unsafe { slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), bytes) }
    }

    fn memory(&self) -> &[MaybeUninit<u8>] {
        let bytes = self.0.capacity() * size_of::<f32>();
        // SAFETY: the vector owns that many bytes, initialised or not.
        unsafe { slice::from_raw_parts(self.0.as_ptr().cast(), bytes) }
    }

    fn try_detach(&mut self) -> Option<NonNull<u8>> {
        // What is left is an empty vector without memory; the caller owns the old one's.
        let mut values = ManuallyDrop::new(std::mem::take(&mut *self.0));
        NonNull::new(values.as_mut_ptr().cast())
    }
}

#[cfg(test)]
mod tests {
    use super::{values as values_of, *};

    #[test]
    fn values_survive_the_way_into_a_tensor_and_out_again() {
        let mut values = Vec::with_capacity(9000);
        values.extend((0..8000).map(|v| v as f32));
        let (expected, place) = (values.clone(), values.as_ptr());
        let found = values_of(tensor(values, [80, 100]));
        assert_eq!(found, expected);
        assert_eq!(found.as_ptr(), place, "no copy was made");
    }

    #[test]
    fn a_shared_tensor_is_copied_out() {
        let x = tensor(vec![1.0, 2.0, 3.0], [3]);
        assert_eq!(values_of(x.clone()), [1.0, 2.0, 3.0]);
        assert_eq!(x.storage::<f32>(), [1.0, 2.0, 3.0]);
    }
}
