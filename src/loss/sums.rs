//! Softmax over classes, and the sums over one image's pixels that every loss and soft score derives from.

use super::IGNORED;

/// Sums over the pixels of one class in one image; ignored pixels are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ClassSums {
    /// Probability of the class over the pixels that are of it.
    pub intersection: f64,
    /// Probability of the class over all pixels.
    pub predicted: f64,
    /// Pixels of the class.
    pub truth: f64,
    /// −(1 − p)^γ ln p over the pixels of the class (γ = 0: cross-entropy).
    pub surprise: f64,
}

/// One image's sums, a class each.
pub type ImageSums = Vec<ClassSums>;

/// Whether any pixel of the image counts: not all are ignored.
pub fn counts(sums: &ImageSums) -> bool {
    sums.iter().any(|class| class.truth > 0.0)
}

/// Smallest probability whose logarithm is taken (Keras's epsilon).
pub(super) const LEAST: f32 = 1e-7;

/// Turns logits [classes, pixels] of one image into probabilities.
pub fn softmax(logits: &mut [f32], classes: usize) {
    let pixels = logits.len() / classes;
    let mut largest = logits[..pixels].to_vec();
    for plane in logits.chunks(pixels).skip(1) {
        largest.iter_mut().zip(plane).for_each(|(m, v)| *m = m.max(*v));
    }
    let mut total = vec![0f32; pixels];
    for plane in logits.chunks_mut(pixels) {
        for ((v, m), t) in plane.iter_mut().zip(&largest).zip(&mut total) {
            *v = (*v - m).exp();
            *t += *v;
        }
    }
    total.iter_mut().for_each(|t| *t = 1.0 / *t);
    for plane in logits.chunks_mut(pixels) {
        plane.iter_mut().zip(&total).for_each(|(v, t)| *v *= t);
    }
}

/// The sums of one image from probabilities [classes, pixels] and labels [pixels]; `gamma` is the focal exponent.
pub fn image_sums(probabilities: &[f32], labels: &[u8], classes: usize, gamma: f64) -> ImageSums {
    let planes = probabilities.chunks(labels.len()).take(classes).enumerate();
    planes.map(|(class, plane)| class_sums(plane, labels, class as u8, gamma)).collect()
}

fn class_sums(plane: &[f32], labels: &[u8], class: u8, gamma: f64) -> ClassSums {
    let mut sums = ClassSums::default();
    // Short runs are summed in 32 bits and added up in 64, so that large images lose nothing.
    for (plane, labels) in plane.chunks(256).zip(labels.chunks(256)) {
        let (mut hit, mut all) = ([0f32; 16], [0f32; 16]);
        for (values, labels) in plane.chunks(16).zip(labels.chunks(16)) {
            for (lane, (&p, &label)) in values.iter().zip(labels).enumerate() {
                hit[lane] += if label == class { p } else { 0.0 };
                all[lane] += if label == IGNORED { 0.0 } else { p };
            }
        }
        sums.intersection += f64::from(hit.iter().sum::<f32>());
        sums.predicted += f64::from(all.iter().sum::<f32>());
        let of_class = plane.iter().zip(labels).filter(|(_, label)| **label == class);
        let (mut count, mut surprise) = (0u32, 0f64);
        for (p, _) in of_class {
            count += 1;
            surprise += f64::from(surprise_of(*p, gamma as f32));
        }
        sums.truth += f64::from(count);
        sums.surprise += surprise;
    }
    sums
}

fn surprise_of(p: f32, gamma: f32) -> f32 {
    let entropy = -floored(p).ln();
    if gamma == 0.0 { entropy } else { (1.0 - p).powf(gamma) * entropy }
}

/// A probability whose logarithm can be taken. Unlike `max` it passes NaN on, so that a ruined network has no loss.
pub(super) fn floored(p: f32) -> f32 {
    p.clamp(LEAST, f32::INFINITY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probability_that_is_none_is_no_finite_surprise() {
        assert!(surprise_of(f32::NAN, 0.0).is_nan() && surprise_of(f32::NAN, 2.0).is_nan());
        assert_eq!(surprise_of(0.0, 0.0), -LEAST.ln());
    }
}
