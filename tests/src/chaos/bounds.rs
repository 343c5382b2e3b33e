//! What so many measurements say of those that were not made.

/// The nearest rank: at least this share of the times, which are in order, is no longer. Nothing of no times.
pub(super) fn quantile(times: &[f64], share: f64) -> Option<f64> {
    times.get(rank(times.len(), share).checked_sub(1)?).copied()
}

fn rank(count: usize, share: f64) -> usize {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank is between 0 and the count, which is far below 2^52"
    )]
    let rank = (count as f64 * share).ceil() as usize;
    rank.min(count)
}

/// The upper end of a 95 % confidence interval of the quantile, whatever the times' distribution: the first order statistic that
/// is above the quantile with that probability. None where there are too few times for it.
pub(super) fn upper(times: &[f64], share: f64) -> Option<f64> {
    let mut below = 0.0;
    for (index, time) in times.iter().enumerate() {
        // So many of the times, or fewer, lie below the quantile.
        below += binomial(times.len(), index, share);
        if below >= 0.95 {
            return Some(*time);
        }
    }
    None
}

/// The probability of `hits` in `count` trials.
fn binomial(count: usize, hits: usize, share: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let log = |number: usize| (number as f64).ln();
    let choose: f64 = (1..=hits).map(|at| log(count - hits + at) - log(at)).sum();
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let (hits, misses) = (hits as f64, (count - hits) as f64);
    (choose + hits * share.ln() + misses * (1.0 - share).ln()).exp()
}

/// What is below with 95 % where nothing was found in so many: 3/n.
pub(super) fn none_in(count: u64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let count = (count > 0).then_some(count as f64)?;
    Some((3.0 / count).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(count: u32) -> Vec<f64> {
        (1..=count).map(f64::from).collect()
    }

    #[test]
    fn a_quantile_is_a_time_that_was_measured() {
        assert_eq!(quantile(&times(100), 0.5), Some(50.0));
        assert_eq!(quantile(&times(100), 0.99), Some(99.0));
        assert_eq!(quantile(&times(1), 0.99), Some(1.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn the_longest_of_299_times_bounds_the_99th_percentile_and_of_298_none_does() {
        assert_eq!(upper(&times(298), 0.99), None);
        assert_eq!(upper(&times(299), 0.99), Some(299.0));
        let of_many = upper(&times(10_000), 0.99).unwrap();
        assert!((9_910.0..9_925.0).contains(&of_many), "{of_many}");
    }

    #[test]
    fn nothing_in_three_hundred_is_less_than_one_in_a_hundred() {
        assert_eq!(none_in(300), Some(0.01));
        assert_eq!(none_in(0), None);
    }
}
