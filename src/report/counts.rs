//! The counts in classes.csv and images.csv, read by place: a large sweep has millions of these rows.

use csv::ByteRecord;

use crate::domain::{Counts, Split};

/// The columns that are not derived from others.
pub struct CountRow<'a> {
    /// From 1.
    pub epoch: u32,
    /// Where it was measured.
    pub split: Split,
    /// The image; empty in classes.csv.
    pub image: &'a str,
    /// The class.
    pub class: &'a str,
    /// Pixels.
    pub counts: Counts,
    /// Images of the split in which the class occurs; 0 in images.csv.
    pub images: u32,
}

/// Where the columns are.
pub struct CountColumns {
    image: Option<usize>,
    images: Option<usize>,
    /// epoch, split, class, tp, fp, fn; beyond the last column where one is missing.
    others: [usize; 6],
}

const OTHERS: [&str; 6] = ["epoch", "split", "class", "tp", "fp", "fn"];

impl CountColumns {
    /// Finds the columns by the names in the header.
    pub fn of(headers: &ByteRecord) -> Self {
        let place = |name: &str| headers.iter().position(|header| header == name.as_bytes());
        let others = OTHERS.map(|name| place(name).unwrap_or(usize::MAX));
        Self { image: place("image"), images: place("images"), others }
    }

    /// Reads a row.
    ///
    /// # Errors
    /// The name of the column whose cell cannot be read.
    pub fn row<'a>(&self, record: &'a ByteRecord) -> Result<CountRow<'a>, &'static str> {
        let cell = |place: usize| record.get(place).and_then(|cell| std::str::from_utf8(cell).ok());
        let [epoch, split, class, tp, fp, fn_] = self.others;
        let number = |place: usize, name: &'static str| cell(place).and_then(|cell| cell.parse().ok()).ok_or(name);
        let split = match cell(split) {
            Some("train") => Split::Train,
            Some("val") => Split::Val,
            Some("test") => Split::Test,
            _ => return Err("split"),
        };
        Ok(CountRow {
            epoch: cell(epoch).and_then(|cell| cell.parse().ok()).ok_or("epoch")?,
            split,
            image: self.image.map_or(Some(""), cell).ok_or("image")?,
            class: cell(class).ok_or("class")?,
            counts: Counts { tp: number(tp, "tp")?, fp: number(fp, "fp")?, fn_: number(fn_, "fn")? },
            images: match self.images {
                Some(place) => cell(place).and_then(|cell| cell.parse().ok()).ok_or("images")?,
                None => 0,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_by_the_names_of_their_columns_in_any_order() {
        let record = |cells: &[&str]| ByteRecord::from(cells.to_vec());
        let columns = CountColumns::of(&record(&["class", "fn", "tp", "fp", "dice", "split", "epoch"]));
        let cells = record(&["cell", "3", "1", "2", "", "val", "7"]);
        let row = columns.row(&cells).map(|row| (row.epoch, row.split, row.image, row.class, row.counts, row.images));
        assert_eq!(row, Ok((7, Split::Val, "", "cell", Counts { tp: 1, fp: 2, fn_: 3 }, 0)));
        let damaged = record(&["cell", "3", "one", "2", "", "val", "7"]);
        assert_eq!(columns.row(&damaged).err(), Some("tp"));
        let missing = CountColumns::of(&record(&["class", "split", "epoch"]));
        assert_eq!(missing.row(&cells).err(), Some("split"));
    }
}
