//! Images in whose masks two classes seem to be exchanged: most pixels of each are predicted as the other, though in
//! the other images the network tells the two apart.

use super::ImageFigures;

/// Least pixels of either class that tell anything [heuristic].
const LEAST: u64 = 20;

/// Two classes that seem exchanged in one image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exchange {
    /// Which image.
    pub image: usize,
    /// The classes, in their order.
    pub classes: [usize; 2],
    /// Share of the pixels of the two that are predicted as the other.
    pub share: f64,
}

/// Pixels of two classes by truth and prediction.
#[derive(Clone, Copy, Default)]
struct Pair {
    /// Of each: predicted as itself, as the other, as anything.
    right: [u64; 2],
    crossed: [u64; 2],
    all: [u64; 2],
}

impl Pair {
    fn of(image: &ImageFigures, classes: [usize; 2]) -> Self {
        let count = image.classes();
        let pixels = |truth: usize, predicted: usize| image.confusion[truth * count + predicted];
        let [a, b] = classes;
        let all = classes.map(|class| image.confusion[class * count..][..count].iter().sum());
        Self { right: [pixels(a, a), pixels(b, b)], crossed: [pixels(a, b), pixels(b, a)], all }
    }

    fn seems_exchanged(&self) -> bool {
        (0..2).all(|class| self.all[class] >= LEAST && 2 * self.crossed[class] > self.all[class])
    }
}

/// Every image and pair of classes of which more than half the pixels of either are predicted as the other, unless the
/// network takes one for the other in the remaining images too.
pub fn exchanged(images: &[ImageFigures]) -> Vec<Exchange> {
    let classes = images.first().map_or(0, ImageFigures::classes);
    let mut found = Vec::new();
    for a in 0..classes {
        for b in a + 1..classes {
            let pairs: Vec<Pair> = images.iter().map(|image| Pair::of(image, [a, b])).collect();
            let rest = pairs.iter().filter(|pair| !pair.seems_exchanged());
            let (mut right, mut crossed) = ([0, 0], [0, 0]);
            for pair in rest {
                for class in 0..2 {
                    right[class] += pair.right[class];
                    crossed[class] += pair.crossed[class];
                }
            }
            if (0..2).any(|class| right[class] <= crossed[class]) {
                continue;
            }
            for (image, pair) in pairs.iter().enumerate().filter(|(_, pair)| pair.seems_exchanged()) {
                let share = pair.crossed.iter().sum::<u64>() as f64 / pair.all.iter().sum::<u64>() as f64;
                found.push(Exchange { image, classes: [a, b], share });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(confusion: [u64; 9]) -> ImageFigures {
        ImageFigures { confusion: confusion.to_vec(), sums: vec![Default::default(); 3] }
    }

    #[test]
    fn an_image_is_named_whose_two_classes_are_each_predicted_as_the_other() {
        let good = image([900, 0, 0, 5, 90, 5, 0, 10, 40]);
        let swapped = image([900, 0, 0, 0, 4, 36, 10, 80, 10]);
        let found = exchanged(&[good.clone(), swapped, good]);
        assert_eq!(found, [Exchange { image: 1, classes: [1, 2], share: 116.0 / 140.0 }]);
    }

    #[test]
    fn one_class_that_is_taken_for_another_is_no_exchange_nor_is_a_network_that_confuses_all() {
        let never_predicted = image([900, 0, 0, 0, 90, 10, 0, 50, 0]);
        assert_eq!(exchanged(&[never_predicted.clone(), never_predicted]), []);
        let crossed = image([900, 0, 0, 0, 10, 90, 0, 50, 5]);
        assert_eq!(exchanged(&[crossed.clone(), crossed.clone(), crossed]), []);
    }

    #[test]
    fn a_handful_of_pixels_tells_nothing() {
        let good = image([900, 0, 0, 5, 90, 5, 0, 10, 40]);
        let tiny = image([990, 0, 0, 0, 0, 10, 0, 80, 0]);
        assert_eq!(exchanged(&[good, tiny]), []);
    }
}
