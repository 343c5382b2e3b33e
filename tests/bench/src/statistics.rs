//! Medians, spreads and percentiles.

/// What several rounds came to: the median, and how far they were apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    /// How many rounds there were.
    pub(crate) count: usize,
}

impl Spread {
    /// None where there are no figures. Between two middle ones the median is their mean.
    pub(crate) fn of(figures: &[f64]) -> Option<Self> {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let upper = *sorted.get(sorted.len() / 2)?;
        let lower = *sorted.get((sorted.len() - 1) / 2)?;
        Some(Self { median: lower.midpoint(upper), min, max, count: sorted.len() })
    }
}

/// The smallest figure that at least this share of all (0 to 1) does not exceed. None where there are
/// no figures.
pub(crate) fn percentile(figures: &[f64], share: f64) -> Option<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (share * sorted.len() as f64).ceil();
    // By search, since a float may not be an index.
    let index = (0..sorted.len()).find(|index| (index + 1) as f64 >= rank)?;
    sorted.get(index).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_whatever_the_order() {
        let spread = Spread::of(&[5.0, 1.0, 3.0]).unwrap();
        assert_eq!(spread, Spread { median: 3.0, min: 1.0, max: 5.0, count: 3 });
        assert_eq!(Spread::of(&[4.0, 1.0]).unwrap().median, 2.5);
        assert_eq!(Spread::of(&[7.0]).unwrap().median, 7.0);
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn percentiles_are_figures_that_were_measured() {
        let figures: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert_eq!(percentile(&figures, 0.5), Some(100.0));
        assert_eq!(percentile(&figures, 0.99), Some(198.0));
        assert_eq!(percentile(&figures, 1.0), Some(200.0));
        assert_eq!(percentile(&figures, 0.0), Some(1.0));
        // Between two ranks it is the higher: half of three is not exceeded by two of them.
        assert_eq!(percentile(&[1.0, 2.0, 3.0], 0.5), Some(2.0));
        assert_eq!(percentile(&[3.0], 0.99), Some(3.0));
        assert_eq!(percentile(&[], 0.5), None);
    }
}
