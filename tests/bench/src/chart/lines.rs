//! Lines over time, one a system.

use super::class;
use super::svg::Svg;
use crate::systems::Role;
use crate::table;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 340.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 235.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 30.0;
/// Room of a name beside the lines.
const NAME: f64 = 16.0;

/// For the peers, in turn; they can be told apart on light and dark pages, also without red or green.
const COLOURS: [&str; 8] =
    ["#e69f00", "#56b4e9", "#009e73", "#d55e00", "#cc79a7", "#8c6bb1", "#a6761d", "#7f8c8d"];
const OURS: &str = "#2f81f7";

/// A system's figure in each window.
pub(super) struct Line {
    pub(super) title: String,
    pub(super) role: Role,
    pub(super) points: Vec<f64>,
}

/// Draws all lines over one scale: by powers of ten, since systems lie that far apart. `seconds` is the
/// length of a window; a point stands at its end.
pub(super) fn draw(
    title: &str,
    unit: &str,
    seconds: u64,
    limit: Option<f64>,
    lines: &[Line],
) -> String {
    let mut svg = Svg::new(WIDTH, HEIGHT);
    svg.text(8.0, 20.0, "title", title);
    svg.text(8.0, 38.0, "note", unit);
    let scale = Scale::of(lines, limit);
    for power in scale.first..=scale.last {
        let y = scale.y(10_f64.powi(power));
        svg.stroke((LEFT, y), (WIDTH - RIGHT, y), "grid");
        svg.text(LEFT - 8.0, y + 4.0, "note end", &format!("{}", 10_f64.powi(power)));
    }
    if let Some(limit) = limit {
        let y = scale.y(limit);
        svg.stroke((LEFT, y), (WIDTH - RIGHT, y), "limit");
    }
    for window in 0..scale.windows {
        let x = scale.x(window);
        let end = seconds * (window as u64 + 1);
        svg.text(x + 8.0, HEIGHT - 10.0, "note end", &format!("{end} s"));
    }
    let mut colours = COLOURS.iter().cycle();
    // The names stand in the order of the lines' ends, highest first, so that they do not overlap.
    let mut names: Vec<(&Line, &str)> = lines
        .iter()
        .map(|line| match line.role {
            Role::Ours => (line, OURS),
            Role::Peer | Role::Raw => (line, *colours.next().unwrap_or(&OURS)),
        })
        .collect();
    for (line, colour) in &names {
        let points = line.points.iter().enumerate();
        let points: Vec<_> =
            points.map(|(window, figure)| (scale.x(window), scale.y(*figure))).collect();
        svg.polyline(&points, class(line.role), colour);
    }
    let last = |line: &Line| line.points.last().copied().unwrap_or_default();
    names.sort_by(|(a, _), (b, _)| last(b).total_cmp(&last(a)));
    for (place, (line, colour)) in names.into_iter().enumerate() {
        let y = TOP + NAME * (place as f64 + 0.5);
        let x = WIDTH - RIGHT + 16.0;
        svg.polyline(&[(x, y - 4.0), (x + 14.0, y - 4.0)], class(line.role), colour);
        let text = format!("{} {}", line.title, table::number(last(line)));
        svg.text(x + 20.0, y, &format!("name {}", class(line.role)), &text);
    }
    svg.finish(title)
}

/// Where figures lie on the picture.
struct Scale {
    windows: usize,
    /// The powers of ten between which all figures lie.
    first: i32,
    last: i32,
}

impl Scale {
    fn of(lines: &[Line], limit: Option<f64>) -> Self {
        let figures = || lines.iter().flat_map(|line| &line.points).chain(&limit).copied();
        let least = figures().filter(|figure| *figure > 0.0).fold(f64::INFINITY, f64::min);
        let greatest = figures().fold(0.0, f64::max);
        let power = |holds: &dyn Fn(f64) -> bool| (-3..9).find(|power| holds(10_f64.powi(*power)));
        let last = power(&|ten| ten >= greatest).unwrap_or(9);
        let first = power(&|ten| ten * 10.0 > least).unwrap_or(0);
        let windows = lines.iter().map(|line| line.points.len()).max().unwrap_or_default();
        Self { windows, first: first.min(last - 1), last }
    }

    fn x(&self, window: usize) -> f64 {
        let steps = self.windows.saturating_sub(1).max(1) as f64;
        LEFT + (WIDTH - LEFT - RIGHT) * window as f64 / steps
    }

    fn y(&self, figure: f64) -> f64 {
        let (first, last) = (f64::from(self.first), f64::from(self.last));
        let share = (figure.max(10_f64.powi(self.first)).log10() - first) / (last - first);
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_holds_all_figures_and_the_limit() {
        let line = Line { title: String::new(), role: Role::Ours, points: vec![4.0, 0.0, 80.0] };
        let scale = Scale::of(&[line], Some(10.0));
        assert_eq!((scale.first, scale.last, scale.windows), (0, 2, 3));
        assert_eq!(scale.y(100.0), TOP);
        assert_eq!(scale.y(1.0), HEIGHT - BOTTOM);
        assert_eq!(scale.y(0.0), HEIGHT - BOTTOM);
        assert_eq!(scale.x(0), LEFT);
        assert_eq!(scale.x(2), WIDTH - RIGHT);
    }
}
