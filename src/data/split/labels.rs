//! What a stratified split keeps alike: for each class, which images have it and how much of it they have.

use super::Groups;

/// How each image's share of each class compares with the others': 0 if it lacks the class, else from 1 the bin of
/// its share among the images that have it, in `bins` bins of equal numbers. [class][image]
pub(super) fn ranks(groups: &Groups, bins: usize) -> Vec<Vec<usize>> {
    let classes = groups.pixels.first().map_or(0, Vec::len);
    let of_class = |class: usize| {
        let share = |image: &Vec<u64>| image[class] as f64 / image.iter().sum::<u64>().max(1) as f64;
        let shares: Vec<f64> = groups.pixels.iter().map(share).collect();
        let mut present: Vec<f64> = shares.iter().copied().filter(|&share| share > 0.0).collect();
        present.sort_by(f64::total_cmp);
        let rank = |&share: &f64| match share {
            0.0 => 0,
            _ => 1 + present.partition_point(|&other| other < share) * bins / present.len(),
        };
        shares.iter().map(rank).collect()
    };
    (0..classes).map(of_class).collect()
}
