//! Which lines are shown, in which order, and which wait.

use std::collections::VecDeque;

use domain::{Timestamp, deployment::LogLine};

/// More than anybody reads in a browser; older lines make room.
const KEPT: usize = 3000;

/// The lines that are shown, by their times, and those that wait while it is paused.
#[derive(Default)]
pub struct Merge {
    /// The times of what is shown, row by row.
    times: VecDeque<Option<Timestamp>>,
    waiting: VecDeque<LogLine>,
    paused: bool,
    /// The stream began anew while it was paused: what waits takes the place of what is shown.
    anew: bool,
}

/// Where a line goes.
#[derive(Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its row, counted from 0.
    pub at: usize,
    /// Whether no line was shown before it.
    pub first: bool,
    /// Whether the first row makes room for it, once it stands.
    pub over: bool,
}

/// What going on shows.
pub struct WentOn {
    /// Whether nothing of what was shown stays.
    pub anew: bool,
    pub lines: VecDeque<LogLine>,
}

impl Merge {
    pub fn paused(&self) -> bool {
        self.paused
    }

    pub fn pause(&mut self) {
        self.paused = true;
    }

    /// The stream begins anew, with the last lines; says whether what is shown makes room at once.
    /// What is paused stays as it is being read, until it goes on.
    pub fn begin(&mut self) -> bool {
        self.waiting.clear();
        if self.paused {
            self.anew = true;
        } else {
            self.times.clear();
        }
        !self.paused
    }

    /// Gives the line back if it is to be shown now.
    pub fn take(&mut self, line: LogLine) -> Option<LogLine> {
        if !self.paused {
            return Some(line);
        }
        self.waiting.push_back(line);
        if self.waiting.len() > KEPT {
            self.waiting.pop_front();
        }
        None
    }

    /// How many lines wait that are not shown already.
    pub fn unseen(&self) -> usize {
        let newest = if self.anew { self.times.iter().flatten().map(|at| at.0).max() } else { None };
        self.waiting.iter().filter(|line| line.at.zip(newest).is_none_or(|(at, newest)| at.0 > newest)).count()
    }

    pub fn go_on(&mut self) -> WentOn {
        self.paused = false;
        let anew = std::mem::take(&mut self.anew);
        if anew {
            self.times.clear();
        }
        WentOn { anew, lines: std::mem::take(&mut self.waiting) }
    }

    /// Puts a line of this time among those that are shown: behind those of the same time. One without a time comes last.
    pub fn place(&mut self, at: Option<Timestamp>) -> Placed {
        let first = self.times.is_empty();
        // Lines come nearly in order, so the place is near the end.
        let row = at.map_or(self.times.len(), |at| self.times.iter().rposition(|shown| shown.is_none_or(|shown| shown.0 <= at.0)).map_or(0, |last| last + 1));
        self.times.insert(row, at);
        let over = self.times.len() > KEPT;
        if over {
            self.times.pop_front();
        }
        Placed { at: row, first, over }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use time::macros::datetime;

    use super::*;

    fn at(second: u64) -> Option<Timestamp> {
        Some(Timestamp(datetime!(2026-11-24 09:00:00 UTC) + Duration::from_secs(second)))
    }

    fn line(second: u64) -> LogLine {
        LogLine { pod: "iris-1".into(), at: at(second), text: format!("line {second}") }
    }

    /// What the browser shows of it.
    #[derive(Default)]
    struct Screen {
        merge: Merge,
        rows: Vec<String>,
    }

    impl Screen {
        fn opened(&mut self, lines: impl IntoIterator<Item = u64>) {
            if self.merge.begin() {
                self.rows.clear();
            }
            self.told(lines);
        }

        fn told(&mut self, seconds: impl IntoIterator<Item = u64>) {
            for second in seconds {
                if let Some(line) = self.merge.take(line(second)) {
                    self.show(&line);
                }
            }
        }

        fn go_on(&mut self) {
            let went_on = self.merge.go_on();
            if went_on.anew {
                self.rows.clear();
            }
            for line in went_on.lines {
                self.show(&line);
            }
        }

        fn show(&mut self, line: &LogLine) {
            let placed = self.merge.place(line.at);
            self.rows.insert(placed.at, line.text.clone());
            if placed.over {
                self.rows.remove(0);
            }
        }

        #[track_caller]
        fn shows(&self, seconds: impl IntoIterator<Item = u64>) {
            let expected: Vec<String> = seconds.into_iter().map(|second| format!("line {second}")).collect();
            assert_eq!(self.rows, expected);
        }
    }

    #[test]
    fn lines_of_several_replicas_are_in_the_order_of_their_time() {
        let mut merge = Merge::default();
        // The last lines of one replica come before those of the next.
        for second in [1, 4, 9, 2, 4, 8, 10, 0] {
            merge.place(at(second));
        }
        assert_eq!(merge.times, [0, 1, 2, 4, 4, 8, 9, 10].map(at));
        assert_eq!(merge.place(None), Placed { at: 8, first: false, over: false });
    }

    #[test]
    fn what_came_while_it_was_paused_is_added_when_it_goes_on() {
        let mut screen = Screen::default();
        screen.opened(1..=3);
        screen.merge.pause();
        screen.told(4..=5);
        assert!(screen.merge.paused());
        screen.shows(1..=3);
        assert_eq!(screen.merge.unseen(), 2);
        screen.go_on();
        screen.told([6]);
        assert!(!screen.merge.paused());
        screen.shows(1..=6);
    }

    #[test]
    fn a_stream_that_began_anew_while_it_was_paused_shows_no_line_twice() {
        let mut screen = Screen::default();
        screen.opened(1..=3);
        screen.merge.pause();
        screen.told([4]);
        // The tab was hidden and seen again, twice.
        screen.opened(2..=5);
        screen.opened(3..=6);
        screen.shows(1..=3);
        assert_eq!(screen.merge.unseen(), 3, "4, 5 and 6 are new; 3 is being read");
        screen.go_on();
        screen.shows(3..=6);
        screen.merge.pause();
        screen.told([7]);
        screen.go_on();
        screen.shows(3..=7);
    }

    #[test]
    fn a_stream_that_begins_anew_takes_the_place_of_what_is_shown() {
        let mut screen = Screen::default();
        screen.opened(1..=3);
        screen.opened(2..=4);
        screen.shows(2..=4);
    }

    #[test]
    fn older_lines_make_room() {
        let mut screen = Screen::default();
        let all = KEPT as u64;
        screen.opened(0..=all);
        screen.shows(1..=all);
        screen.merge.pause();
        screen.told(all + 1..=3 * all);
        screen.go_on();
        screen.shows(2 * all + 1..=3 * all);
    }
}
