//! The rows of a run's tables: counts and sums added up over a split's images and divided once.

use super::ImageFigures;
use crate::{
    data::ClassList,
    domain::{ClassRow, Counts, EpochRow, ImageRow, Split},
    loss::{ImageSums, Loss},
    statistics::mean_of,
};

/// One row of epochs.csv.
pub fn epoch_row(
    epoch: usize,
    split: Split,
    images: &[ImageFigures],
    classes: &ClassList,
    loss: &Loss,
    learning_rate: f64,
) -> EpochRow {
    let rows = class_rows(epoch, split, images, classes);
    let foreground = || rows.iter().enumerate().filter(|(class, _)| Some(*class) != classes.background);
    let hits: u64 = rows.iter().map(|row| row.tp).sum();
    let pixels: u64 = rows.iter().map(|row| row.counts().support()).sum();
    let sums: Vec<ImageSums> = images.iter().map(|image| image.sums.clone()).collect();
    EpochRow {
        epoch,
        split,
        loss: loss.value(&sums),
        accuracy: (pixels > 0).then(|| hits as f64 / pixels as f64),
        dice_coef: mean_of(images.iter().filter_map(ImageFigures::dice_coef)),
        iou_coef: mean_of(images.iter().filter_map(ImageFigures::iou_coef)),
        dice_macro: mean_of(foreground().filter_map(|(_, row)| row.dice)),
        iou_macro: mean_of(foreground().filter_map(|(_, row)| row.iou)),
        learning_rate,
        images: images.len(),
    }
}

/// The rows of classes.csv, one a class.
pub fn class_rows(epoch: usize, split: Split, images: &[ImageFigures], classes: &ClassList) -> Vec<ClassRow> {
    let row = |(class, name): (usize, &String)| {
        let mut total = Counts::default();
        images.iter().for_each(|image| total += image.counts(class));
        let occurs = images.iter().filter(|image| image.counts(class).support() > 0).count();
        ClassRow::new(epoch, split, name, total, occurs)
    };
    classes.names.iter().enumerate().map(row).collect()
}

/// The rows of images.csv for one image, one a class.
pub fn image_rows(epoch: usize, split: Split, name: &str, image: &ImageFigures, classes: &ClassList) -> Vec<ImageRow> {
    let row = |(class, class_name): (usize, &String)| {
        let counts = image.counts(class);
        ImageRow {
            epoch,
            split,
            image: name.to_owned(),
            class: class_name.clone(),
            tp: counts.tp,
            fp: counts.fp,
            fn_: counts.fn_,
            dice: counts.dice().filter(|_| counts.support() > 0),
        }
    };
    classes.names.iter().enumerate().map(row).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{
        domain::{LossConfig, LossKind},
        loss::{ClassSums, softmax},
        metrics::figures_of,
    };

    fn names(count: usize, background: Option<usize>) -> ClassList {
        ClassList { names: (0..count).map(|c| format!("c{c}")).collect(), background }
    }

    fn loss(classes: usize) -> Loss {
        Loss::new(&LossConfig::default(), &vec![1; classes])
    }

    /// An image of `truth`'s labels that is predicted as `predicted`, all but surely.
    fn image(truth: &[u8], predicted: &[u8], classes: usize) -> ImageFigures {
        let mut logits = vec![0.0; classes * truth.len()];
        for (pixel, class) in predicted.iter().enumerate() {
            logits[usize::from(*class) * truth.len() + pixel] = 60.0;
        }
        let size = [1, truth.len()];
        softmax(&mut logits, classes);
        figures_of(&logits, size, truth, size, &loss(classes))
    }

    fn near(a: Option<f64>, b: f64) -> bool {
        (a.unwrap() - b).abs() < 5e-4
    }

    #[test]
    fn the_pooled_score_hides_classes_that_are_never_predicted() {
        // 80/10/5/3/2 % of 10,000 pixels. Of each true class, how many are called what; the last two never are.
        let called: [&[(u8, usize)]; 5] =
            [&[(0, 8000)], &[(1, 700), (0, 300)], &[(2, 330), (0, 170)], &[(2, 300)], &[(1, 200)]];
        let (mut truth, mut predicted) = (Vec::new(), Vec::new());
        for (class, called) in called.iter().enumerate() {
            for (as_class, pixels) in *called {
                truth.extend(vec![class as u8; *pixels]);
                predicted.extend(vec![*as_class; *pixels]);
            }
        }
        let row = epoch_row(1, Split::Val, &[image(&truth, &predicted, 5)], &names(5, Some(0)), &loss(5), 0.1);
        // 9,030 pixels are right: Dice (2·9030 + 1)/20,001, IoU 9,031/(20,000 − 9,030 + 1).
        assert!(near(row.dice_coef, 0.903) && near(row.iou_coef, 0.823) && near(row.accuracy, 0.903), "{row:?}");
        // Foreground: 1400/1900 = .737, 660/1130 = .584, 0, 0.
        assert!(near(row.dice_macro, 0.3302));
    }

    #[test]
    fn soft_scores_follow_the_keras_definition_by_hand() {
        // Two pixels, two classes; p = .75/.25 and .5/.5; truth 0 and 1.
        // Σtp = .75 + .5 = 1.25, Σt = 2, Σp = 2: Dice (2.5 + 1)/(4 + 1) = .7, IoU (1.25 + 1)/(2.75 + 1) = .6.
        let mut logits = [3f32.ln(), 0.0, 0.0, 0.0];
        softmax(&mut logits, 2);
        let figures = figures_of(&logits, [1, 2], &[0, 1], [1, 2], &loss(2));
        assert!(near(figures.dice_coef(), 0.7) && near(figures.iou_coef(), 0.6), "{figures:?}");
    }

    #[test]
    fn counts_are_summed_over_images_and_divided_once() {
        // Class 1: image A 1 hit of 1; image B 0 hits of 3. Pooled 2·1/(2·1 + 0 + 3) = .4; a mean of images is .5.
        let images = [image(&[1, 0, 0, 0], &[1, 0, 0, 0], 2), image(&[1, 1, 1, 0], &[0, 0, 0, 0], 2)];
        let rows = class_rows(3, Split::Val, &images, &names(2, Some(0)));
        assert_eq!(rows[1].dice, Some(0.4));
        assert_eq!(rows[1].counts(), Counts { tp: 1, fp: 0, fn_: 3 });
        assert_eq!(rows[1].images, 2);
    }

    #[test]
    fn a_class_that_no_image_has_is_undefined_and_left_out_of_the_mean() {
        let images = [image(&[0, 1, 1, 0], &[0, 1, 2, 0], 3)];
        let row = epoch_row(1, Split::Val, &images, &names(3, Some(0)), &loss(3), 0.1);
        assert_eq!(class_rows(1, Split::Val, &images, &names(3, None))[2].dice, None);
        assert_eq!(row.dice_macro, Some(2.0 / 3.0));
    }

    #[test]
    fn without_images_every_figure_is_undefined() {
        let row = epoch_row(1, Split::Val, &[], &names(2, None), &loss(2), 0.1);
        let figures = [row.loss, row.accuracy, row.dice_coef, row.iou_coef, row.dice_macro, row.iou_macro];
        assert_eq!(figures, [None; 6]);
    }

    #[test]
    fn ignored_pixels_count_nowhere() {
        let whole = image(&[0, 1], &[0, 1], 2);
        let ignoring = image(&[0, 1, 255], &[0, 1, 1], 2);
        assert_eq!(whole.confusion, ignoring.confusion);
        let close = |a: &ClassSums, b: &ClassSums| (a.predicted - b.predicted).abs() < 1e-6 && a.truth == b.truth;
        assert!(whole.sums.iter().zip(&ignoring.sums).all(|(a, b)| close(a, b)));
    }

    #[test]
    fn an_image_of_ignored_pixels_alone_counts_for_no_figure() {
        let blank = image(&[255, 255], &[0, 1], 2);
        assert_eq!((blank.dice_coef(), blank.iou_coef()), (None, None));
        for kind in [LossKind::Dice, LossKind::DiceCe] {
            let loss = Loss::new(&LossConfig { kind, ..LossConfig::default() }, &[1; 2]);
            let row = |images: &[ImageFigures]| EpochRow {
                images: 0,
                ..epoch_row(1, Split::Val, images, &names(2, None), &loss, 0.1)
            };
            let half = || image(&[0, 1], &[1, 1], 2);
            assert_eq!(row(&[half(), blank.clone()]), row(&[half()]), "{kind:?}");
            assert_eq!(row(std::slice::from_ref(&blank)), row(&[]), "{kind:?}");
        }
    }

    #[test]
    fn the_mask_is_compared_at_its_own_size() {
        let probabilities = [0.1, 0.1, 0.9, 0.9, 0.9, 0.9, 0.1, 0.1];
        let figures = figures_of(&probabilities, [2, 2], &[1; 16], [4, 4], &loss(2));
        assert_eq!(figures.confusion.iter().sum::<u64>(), 16);
        assert_eq!(figures.counts(1), Counts { tp: 8, fp: 0, fn_: 8 });
    }
}
