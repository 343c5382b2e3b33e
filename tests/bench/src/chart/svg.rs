//! The few shapes that a chart is made of.

use std::fmt::Write;

/// Colours for a light page, and others for a dark one; nothing is painted behind them. Ours stands
/// out, the peers stay back, bare Postgres is an outline.
const STYLE: &str = "\
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 14px }
.note { fill: #59636e; font-size: 11px }
.end { text-anchor: end }
.bar.ours { fill: #0969da }
.bar.peer { fill: #afb8c1 }
.bar.raw { fill: none; stroke: #59636e; stroke-dasharray: 3 2 }
.name.ours { font-weight: 600 }
.whisker { stroke: #1f2328 }
.grid { stroke: #59636e; stroke-opacity: .3 }
.limit { stroke: #cf222e; stroke-dasharray: 5 3 }
.line { fill: none; stroke-width: 1.5 }
.line.ours { stroke-width: 3 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc }
  .note { fill: #9198a1 }
  .bar.ours { fill: #4493f8 }
  .bar.peer { fill: #656c76 }
  .bar.raw { stroke: #9198a1 }
  .whisker { stroke: #f0f6fc }
  .grid { stroke: #9198a1 }
  .limit { stroke: #f85149 }
}
";

/// A picture that grows by shapes.
pub(super) struct Svg {
    body: String,
    width: f64,
    height: f64,
}

impl Svg {
    pub(super) fn new(width: f64, height: f64) -> Self {
        Self { body: String::new(), width, height }
    }

    /// Text that ends at `x` where the class holds `end`, else begins there; `y` is its base line.
    pub(super) fn text(&mut self, x: f64, y: f64, class: &str, text: &str) {
        let text = escape(text);
        self.push(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\">{text}</text>\n"
        ));
    }

    pub(super) fn bar(&mut self, x: f64, y: f64, width: f64, height: f64, class: &str) {
        self.push(format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{height:.1}\" rx=\"2\" class=\"bar {class}\"/>\n",
            width.max(1.0)
        ));
    }

    pub(super) fn stroke(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        self.push(format_args!(
            "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" class=\"{class}\"/>\n",
            from.0, from.1, to.0, to.1
        ));
    }

    /// A line through points, in a colour of its own.
    pub(super) fn polyline(&mut self, points: &[(f64, f64)], class: &str, colour: &str) {
        let points =
            points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect::<Vec<_>>().join(" ");
        self.push(format_args!(
            "<polyline points=\"{points}\" class=\"line {class}\" stroke=\"{colour}\"/>\n"
        ));
    }

    /// The whole picture, under its title.
    pub(super) fn finish(self, title: &str) -> String {
        let (width, height, body, title) = (self.width, self.height, self.body, escape(title));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" role=\"img\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n{body}</svg>\n"
        )
    }

    fn push(&mut self, shape: std::fmt::Arguments<'_>) {
        // To a string: nothing can fail.
        self.body.write_fmt(shape).ok();
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
