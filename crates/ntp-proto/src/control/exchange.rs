//! The client's side: several questions to one daemon at once, each with its retries.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use crate::time::MonoTime;
use crate::wire::Version;

use super::message::{ControlHeader, ControlMessage, ErrorCode, Opcode};
use super::reassembly::{Reassembly, ReassemblyError, Response};

/// How long answers may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For the first packet of an answer.
    pub first: Duration,
    /// For each further one.
    pub next: Duration,
    /// For all of an answer.
    pub whole: Duration,
    /// How often a question is asked.
    pub attempts: u32,
    /// How many questions are under way at a time.
    pub window: usize,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The operation.
    pub opcode: Opcode,
    /// About whom; 0 is the system.
    pub association: u16,
    /// What about.
    pub data: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// Nothing came in time, or not all.
    #[error("nothing came in time")]
    TimedOut,
    /// What came was a refusal, or did not fit together.
    #[error(transparent)]
    Bad(#[from] ReassemblyError),
}

/// A question under way.
#[derive(Debug)]
struct Flight {
    number: usize,
    attempts: u32,
    reassembly: Reassembly,
    /// When it is given up, or asked again.
    deadline: MonoTime,
    /// When it is given up whatever comes.
    end: MonoTime,
}

/// Questions and their answers.
#[derive(Debug)]
pub struct Exchange {
    questions: Vec<Question>,
    answers: Vec<Option<Result<Response, Unanswered>>>,
    /// Numbers of questions that are still to be asked, with how often they have been.
    waiting: VecDeque<(usize, u32)>,
    flying: Vec<Flight>,
    sequence: u16,
    patience: Patience,
    version: Version,
    heard: bool,
}

impl Exchange {
    /// With these questions. `sequence` is the number of the last question asked before; it should have been drawn
    /// at random once, so that nobody can forge answers.
    pub fn new(questions: Vec<Question>, sequence: u16, patience: Patience) -> Self {
        let answers = questions.iter().map(|_| None).collect();
        let waiting = (0..questions.len()).map(|number| (number, 0)).collect();
        Self {
            questions,
            answers,
            waiting,
            flying: Vec::new(),
            sequence,
            patience,
            version: Version::V2,
            heard: false,
        }
    }

    /// Claims another version than 2, which every daemon takes.
    pub const fn set_version(&mut self, version: Version) {
        self.version = version;
    }

    /// The next packet to send, if it is time for one. Whoever wants to sign it does so.
    pub fn poll_packet(&mut self, now: MonoTime) -> Option<Vec<u8>> {
        if self.flying.len() >= self.patience.window.max(1) {
            return None;
        }
        let (number, attempts) = self.waiting.pop_front()?;
        let question = self.questions.get(number)?;
        self.sequence = self.sequence.wrapping_add(1);
        let request = ControlHeader::request(question.opcode, self.sequence, question.association);
        let request = ControlHeader { version: self.version, ..request };
        let packet = ControlMessage::write(&request, &question.data);
        let (first, whole) = (self.patience.first, self.patience.whole);
        self.flying.push(Flight {
            number,
            attempts: attempts.saturating_add(1),
            reassembly: Reassembly::new(request),
            deadline: later(now, first),
            end: later(now, whole),
        });
        Some(packet)
    }

    /// Takes in a datagram; foreign ones are passed over.
    pub fn handle_datagram(&mut self, now: MonoTime, datagram: &[u8]) {
        for index in 0..self.flying.len() {
            let Some(flight) = self.flying.get_mut(index) else { return };
            let before = flight.reassembly.received();
            match flight.reassembly.accept(datagram) {
                Ok(Some(response)) => return self.settle(index, Ok(response)),
                Err(error) => return self.settle(index, Err(error.into())),
                Ok(None) if flight.reassembly.received() > before => {
                    // Only progress buys time.
                    flight.deadline = later(now, self.patience.next).min(flight.end);
                    self.heard = true;
                    return;
                }
                Ok(None) => {}
            }
        }
    }

    /// Asks again what has not been answered in time, or gives it up. Where nothing at all has come, nothing else is
    /// waited for either.
    pub fn handle_timeout(&mut self, now: MonoTime) {
        while let Some(index) = self.flying.iter().position(|flight| flight.deadline <= now) {
            let flight = self.flying.swap_remove(index);
            if flight.attempts < self.patience.attempts && now < flight.end {
                self.waiting.push_front((flight.number, flight.attempts));
                continue;
            }
            self.note(flight.number, Err(Unanswered::TimedOut));
            if !self.heard {
                self.waiting.clear();
                self.flying.clear();
            }
        }
    }

    /// When [`Self::handle_timeout`] wants to be called; `None` once there is nothing to wait for.
    pub fn next_timeout(&self) -> Option<MonoTime> {
        self.flying.iter().map(|flight| flight.deadline).min()
    }

    /// Whether everything has been answered or given up.
    pub fn is_done(&self) -> bool {
        self.flying.is_empty() && self.waiting.is_empty()
    }

    /// The number of the last question asked.
    pub const fn sequence(&self) -> u16 {
        self.sequence
    }

    /// The answers, in the order of the questions.
    pub fn into_answers(self) -> Vec<Result<Response, Unanswered>> {
        self.answers.into_iter().map(|answer| answer.unwrap_or(Err(Unanswered::TimedOut))).collect()
    }

    fn settle(&mut self, index: usize, answer: Result<Response, Unanswered>) {
        self.heard = true;
        let flight = self.flying.swap_remove(index);
        self.note(flight.number, answer);
    }

    fn note(&mut self, number: usize, answer: Result<Response, Unanswered>) {
        if let Some(slot) = self.answers.get_mut(number) {
            *slot = Some(answer);
        }
    }
}

#[expect(clippy::arithmetic_side_effects, reason = "moments saturate")]
fn later(now: MonoTime, span: Duration) -> MonoTime {
    now + span
}

impl Unanswered {
    /// The code of a refusal.
    pub const fn refusal(self) -> Option<ErrorCode> {
        match self {
            Self::Bad(ReassemblyError::Refused(code)) => Some(code),
            Self::TimedOut | Self::Bad(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Leap;

    const PATIENCE: Patience = Patience {
        first: Duration::from_secs(5),
        next: Duration::from_secs(3),
        whole: Duration::from_secs(20),
        attempts: 2,
        window: 8,
    };

    fn at(seconds: u64) -> MonoTime {
        MonoTime::ZERO + Duration::from_secs(seconds)
    }

    fn questions(count: u16) -> Vec<Question> {
        (1..=count)
            .map(|association| Question { opcode: Opcode::ReadVariables, association, data: Vec::new() })
            .collect()
    }

    fn answer(packet: &[u8], more: bool, offset: u16, data: &[u8]) -> Vec<u8> {
        let asked = ControlMessage::parse(packet).unwrap().header;
        ControlMessage::write(&ControlHeader { more, offset, ..asked.reply(Leap::None, 7) }, data)
    }

    #[test]
    fn eight_are_under_way_and_each_gets_its_own_answer() {
        let mut exchange = Exchange::new(questions(20), 65_530, PATIENCE);
        let mut rounds = 0;
        while !exchange.is_done() {
            let packets: Vec<Vec<u8>> = core::iter::from_fn(|| exchange.poll_packet(at(0))).collect();
            assert!(packets.len() <= 8);
            // The last one first.
            for packet in packets.iter().rev() {
                let id = packet[7];
                exchange.handle_datagram(at(0), &answer(packet, true, 0, &[id]));
                exchange.handle_datagram(at(0), &answer(packet, false, 1, b"x"));
            }
            rounds += 1;
        }
        assert_eq!(rounds, 3);
        for (index, answer) in exchange.into_answers().into_iter().enumerate() {
            assert_eq!(answer.unwrap().data, [u8::try_from(index + 1).unwrap(), b'x']);
        }
    }

    #[test]
    fn a_lost_answer_is_asked_for_again_once() {
        let mut exchange = Exchange::new(questions(2), 0, PATIENCE);
        let first = exchange.poll_packet(at(0)).unwrap();
        let second = exchange.poll_packet(at(0)).unwrap();
        assert!(exchange.poll_packet(at(0)).is_none());
        exchange.handle_datagram(at(1), &answer(&first, false, 0, b"a"));
        assert_eq!(exchange.next_timeout(), Some(at(5)));
        exchange.handle_timeout(at(5));
        let again = exchange.poll_packet(at(5)).unwrap();
        assert_eq!((again[7], again[2..4] == second[2..4]), (2, false));
        // The answer to the first try comes too late to count.
        exchange.handle_datagram(at(6), &answer(&second, false, 0, b"b"));
        exchange.handle_timeout(at(10));
        assert!(exchange.is_done());
        let answers = exchange.into_answers();
        assert_eq!(answers[0].as_ref().unwrap().data, b"a");
        assert_eq!(answers[1], Err(Unanswered::TimedOut));
    }

    #[test]
    fn where_nobody_answers_nobody_is_waited_for() {
        let mut exchange = Exchange::new(questions(20), 0, PATIENCE);
        for second in [0, 5] {
            while exchange.poll_packet(at(second)).is_some() {}
            exchange.handle_timeout(at(second + 5));
        }
        assert!(exchange.is_done());
        assert!(exchange.into_answers().iter().all(|answer| *answer == Err(Unanswered::TimedOut)));
    }

    #[test]
    fn a_trickle_of_packets_does_not_last_for_ever() {
        let mut exchange = Exchange::new(questions(1), 0, PATIENCE);
        let packet = exchange.poll_packet(at(0)).unwrap();
        for second in 0..30_u16 {
            exchange.handle_datagram(at(u64::from(second)), &answer(&packet, true, second, b"x"));
            exchange.handle_timeout(at(u64::from(second)));
        }
        assert!(exchange.is_done());
    }
}
