//! Horizontal bars, one a system, with whiskers from the least round to the greatest.

use super::class;
use super::svg::Svg;
use crate::rows::Better;
use crate::statistics::Spread;
use crate::systems::Role;
use crate::table;

const WIDTH: f64 = 760.0;
/// Where bars begin, right of the names.
const LEFT: f64 = 190.0;
/// Kept free for the figures, right of the longest whisker.
const RIGHT: f64 = 170.0;
const STEP: f64 = 26.0;
const BAR: f64 = 16.0;
const HEAD: f64 = 34.0;
/// Where less is better, a bar is cut that is so many times as long as the best: else one slow system
/// would leave nothing to see of the others.
const LONGEST: f64 = 15.0;
/// The gap that says that a bar was cut, and what comes after it.
const GAP: f64 = 6.0;
const AFTER_GAP: f64 = 10.0;

/// The bars of one measure.
pub(super) struct Panel {
    pub(super) title: String,
    pub(super) better: Better,
    pub(super) bars: Vec<Bar>,
}

pub(super) struct Bar {
    pub(super) title: String,
    pub(super) role: Role,
    pub(super) spread: Spread,
}

/// Draws panels below each other, each with a scale of its own, which begins at zero.
pub(super) fn draw(title: &str, panels: &[Panel]) -> String {
    let height = |panel: &Panel| HEAD + STEP * panel.bars.len() as f64;
    let mut svg = Svg::new(WIDTH, 30.0 + panels.iter().map(height).sum::<f64>());
    svg.text(8.0, 20.0, "title", title);
    let mut top = 30.0;
    for panel in panels {
        svg.text(8.0, top + 18.0, "note", &panel.title);
        draw_bars(&mut svg, top + HEAD - 6.0, panel);
        top += height(panel);
    }
    svg.finish(title)
}

fn draw_bars(svg: &mut Svg, top: f64, panel: &Panel) {
    let end = end_of_scale(panel);
    let scale = if end > 0.0 { (WIDTH - LEFT - RIGHT) / end } else { 0.0 };
    for (number, bar) in panel.bars.iter().enumerate() {
        let y = top + STEP * number as f64;
        let (middle, base) = (y + BAR / 2.0, y + BAR - 4.0);
        let at = |figure: f64| LEFT + scale * figure.min(end);
        let (min, max) = (at(bar.spread.min), at(bar.spread.max));
        let role = class(bar.role);
        svg.text(LEFT - 8.0, base, &format!("name end {role}"), &bar.title);
        if bar.spread.median > end {
            svg.bar(LEFT, y, scale * end - GAP - AFTER_GAP, BAR, role);
            svg.bar(LEFT + scale * end - AFTER_GAP, y, AFTER_GAP, BAR, role);
        } else {
            svg.bar(LEFT, y, scale * bar.spread.median, BAR, role);
        }
        if bar.spread.count > 1 && bar.spread.max <= end {
            svg.stroke((min, middle), (max, middle), "whisker");
            for x in [min, max] {
                svg.stroke((x, middle - 4.0), (x, middle + 4.0), "whisker");
            }
        }
        svg.text(max + 8.0, base, "", &table::spread(bar.spread));
    }
}

/// The figure at the right end; the scale begins at zero.
fn end_of_scale(panel: &Panel) -> f64 {
    let greatest = panel.bars.iter().map(|bar| bar.spread.max).fold(0.0, f64::max);
    let least = panel.bars.iter().map(|bar| bar.spread.median).fold(f64::INFINITY, f64::min);
    match panel.better {
        Better::Higher => greatest,
        Better::Lower if least > 0.0 => greatest.min(least * LONGEST),
        Better::Lower => greatest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(better: Better, figures: &[f64]) -> Panel {
        let bar = |figure: &f64| Bar {
            title: String::new(),
            role: Role::Peer,
            spread: Spread { median: *figure, min: *figure, max: *figure, count: 1 },
        };
        Panel { title: String::new(), better, bars: figures.iter().map(bar).collect() }
    }

    #[test]
    fn only_bars_that_are_far_too_long_are_cut() {
        assert_eq!(end_of_scale(&panel(Better::Higher, &[1.0, 500.0])), 500.0);
        assert_eq!(end_of_scale(&panel(Better::Lower, &[1.0, 14.0])), 14.0);
        assert_eq!(end_of_scale(&panel(Better::Lower, &[0.0, 500.0])), 500.0);
        let cut = panel(Better::Lower, &[1.0, 500.0]);
        assert_eq!(end_of_scale(&cut), 15.0);
        assert_eq!(draw("t", &[cut]).matches("<rect").count(), 3);
    }
}
