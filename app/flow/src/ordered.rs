//! Several workers on one queue whose outputs leave in the order of the inputs.
//!
//! Contract: the sequence of outputs is the same for any number of workers, provided that a step depends on its input alone. Each input gets a number
//! when it is taken, under one lock; an output waits in the window until all before it have left. A worker that is `window` ahead of the
//! slowest waits, so memory is bounded by the window plus one per worker. When a worker fails or panics the others stop: the order
//! could not be kept over the hole. The input is to be a queue of the crew, so that the halt wakes those that wait for it.

use std::collections::VecDeque;
use std::fmt::Display;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::lock;
use crate::queue::{Receiver, SendOutcome, Sender};
use crate::stage::{Refusal, Stage};
use crate::threads::Crew;

/// Outputs that may wait for their turn, per worker: 2 keeps all busy when one step takes twice as long as the others.
const WINDOW_PER_WORKER: usize = 2;

/// Where a pool's workers take and put.
pub struct OrderedIo<In: Send, Out: Send> {
    /// Where inputs come from.
    pub input: Receiver<In>,
    /// Where outputs go, in the order of the inputs.
    pub output: Sender<Out>,
    /// What becomes of an output that the queue did not take.
    pub refused: Box<dyn Fn(Out, Refusal) + Send + Sync>,
}

/// Starts one thread per stage in `workers`, named `name-0`, `name-1`, ...; a failure of one halts the run.
///
/// # Errors
/// Where the system gives no thread. Those already started end when the input does.
pub fn ordered_pool<In, Out, S>(crew: &Crew, name: &str, workers: Vec<S>, io: OrderedIo<In, Out>) -> io::Result<()>
where
    In: Send + 'static,
    Out: Send + 'static,
    S: Stage<In, Out> + Send + 'static,
    S::Error: Display,
{
    let window = workers.len() * WINDOW_PER_WORKER;
    let shared = Arc::new(Shared {
        input: Mutex::new((io.input, 0)),
        output: io.output,
        refused: io.refused,
        turn: Mutex::new(Turn { window: Window::new(window), emitting: false, broken: false }),
        moved: Condvar::new(),
    });
    for (index, stage) in workers.into_iter().enumerate() {
        let shared = Arc::clone(&shared);
        crew.spawn(&format!("{name}-{index}"), move || work(&shared, stage))?;
    }
    Ok(())
}

fn work<In: Send, Out: Send, S: Stage<In, Out>>(shared: &Shared<In, Out>, mut stage: S) -> Result<(), S::Error> {
    let mut hole = BreakOnDrop { shared, armed: false };
    while let Some((number, input)) = shared.take() {
        hole.armed = true;
        let output = stage.step(input)?;
        if !shared.put(number, output) {
            break;
        }
        hole.armed = false;
    }
    Ok(())
}

struct Shared<In: Send, Out: Send> {
    /// The receiver, and the number of the next input.
    input: Mutex<(Receiver<In>, u64)>,
    output: Sender<Out>,
    refused: Box<dyn Fn(Out, Refusal) + Send + Sync>,
    turn: Mutex<Turn<Out>>,
    /// The window moved, or broke.
    moved: Condvar,
}

struct Turn<Out> {
    window: Window<Out>,
    /// A worker is sending; it sends also what becomes ready meanwhile.
    emitting: bool,
    /// A number will never come, or the output is closed.
    broken: bool,
}

impl<In: Send, Out: Send> Shared<In, Out> {
    fn take(&self) -> Option<(u64, In)> {
        // Held while waiting for an input: only one worker can get the next one anyhow.
        let mut input = lock(&self.input);
        let taken = input.0.recv()?;
        let number = input.1;
        input.1 += 1;
        Some((number, taken))
    }

    /// Places an output, and sends all whose turn has come. False where no more will be sent.
    fn put(&self, number: u64, output: Out) -> bool {
        let mut turn = lock(&self.turn);
        while !turn.broken && !turn.window.has_room_for(number) {
            turn = self.moved.wait(turn).unwrap_or_else(PoisonError::into_inner);
        }
        if turn.broken {
            let closed = self.refuse_window(turn);
            (self.refused)(output, Refusal::Closed);
            return closed;
        }
        turn.window.place(number, output);
        if turn.emitting {
            return true;
        }
        turn.emitting = true;
        while !turn.broken
            && let Some(next) = turn.window.pop_next()
        {
            drop(turn);
            self.moved.notify_all();
            let closed = self.send(next);
            turn = lock(&self.turn);
            turn.broken |= closed;
        }
        turn.emitting = false;
        !turn.broken || self.refuse_window(turn)
    }

    fn send(&self, output: Out) -> bool {
        match self.output.send(output) {
            SendOutcome::Sent => false,
            SendOutcome::Displaced(older) => {
                (self.refused)(older, Refusal::Displaced);
                false
            }
            SendOutcome::Closed(output) => {
                (self.refused)(output, Refusal::Closed);
                true
            }
        }
    }

    /// Gives back what waits for its turn; always false, for no more will be sent.
    fn refuse_window(&self, mut turn: MutexGuard<'_, Turn<Out>>) -> bool {
        let waiting = turn.window.take_all();
        drop(turn);
        self.moved.notify_all();
        for output in waiting.into_iter().flatten() {
            (self.refused)(output, Refusal::Closed);
        }
        false
    }
}

/// Breaks the window when a worker ends with a number that it took and did not place.
struct BreakOnDrop<'a, In: Send, Out: Send> {
    shared: &'a Shared<In, Out>,
    armed: bool,
}

impl<In: Send, Out: Send> Drop for BreakOnDrop<'_, In, Out> {
    fn drop(&mut self) {
        if self.armed {
            lock(&self.shared.turn).broken = true;
            self.shared.moved.notify_all();
        }
    }
}

/// Outputs by number, from the next one to leave on.
struct Window<T> {
    next: u64,
    capacity: usize,
    slots: VecDeque<Option<T>>,
}

impl<T> Window<T> {
    fn new(capacity: usize) -> Self {
        Self { next: 0, capacity, slots: VecDeque::with_capacity(capacity) }
    }

    fn has_room_for(&self, number: u64) -> bool {
        number - self.next < self.capacity as u64
    }

    /// Needs [`Window::has_room_for`].
    fn place(&mut self, number: u64, output: T) {
        let index = (number - self.next) as usize;
        while self.slots.len() <= index {
            self.slots.push_back(None);
        }
        self.slots[index] = Some(output);
    }

    fn pop_next(&mut self) -> Option<T> {
        let next = self.slots.front_mut()?.take()?;
        self.slots.pop_front();
        self.next += 1;
        Some(next)
    }

    fn take_all(&mut self) -> VecDeque<Option<T>> {
        std::mem::take(&mut self.slots)
    }
}
