//! Exit reasons: why a process ended.
//!
//! **Promise.** G2: every process that ends does so with exactly one reason, and everybody who is told is told that one.
//! A reason clones cheaply; errors and panics travel behind an `Arc`.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Why a process ended.
///
/// A body returns `Result<(), Exit>`; `?` turns any [`std::error::Error`] into [`Exit::Error`], and a panic becomes
/// [`Exit::Panic`]. "Let it crash" is `?`; a panic is for bugs.
///
/// Two reasons are equal when they are the same variant and, where they carry something, that prints the same.
///
/// In Erlang: the `Reason` of `exit/1`.
///
/// ```
/// use hammerbeam::Exit;
/// fn parse(text: &str) -> Result<u16, Exit> {
///     Ok(text.parse()?)
/// }
/// assert!(matches!(parse("x"), Err(Exit::Error(_))));
/// assert!(Exit::Normal.is_normal() && !Exit::Killed.is_normal());
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub enum Exit {
    /// The body returned. Over a link this ends nobody.
    Normal,
    /// Asked to stop by whoever is responsible for it.
    Shutdown,
    /// As [`Exit::Shutdown`], with something to say.
    ShutdownWith(Term),
    /// The order to kill. Sent directly it cannot be trapped and is seen by others as [`Exit::Killed`]; over a link it is
    /// an ordinary reason.
    Kill,
    /// What others see of a process that was killed.
    Killed,
    /// There is no such process.
    NoProc,
    /// The connection to the process' node is gone.
    NoConnection,
    /// A wait took too long.
    Timeout,
    /// The body returned an error.
    Error(Arc<dyn Error + Send + Sync>),
    /// The body panicked.
    Panic(Arc<PanicReport>),
    /// A reason of the program's own.
    Term(Term),
}

impl Exit {
    /// A reason of the program's own: any printable value.
    ///
    /// ```
    /// use hammerbeam::Exit;
    /// assert_eq!(Exit::term("out of paper").to_string(), "\"out of paper\"");
    /// ```
    pub fn term<T: Any + fmt::Debug + Send + Sync>(value: T) -> Self {
        Self::Term(Term::new(value))
    }

    /// A reason from any error; what `?` does.
    pub fn error<E: Into<Box<dyn Error + Send + Sync>>>(error: E) -> Self {
        Self::Error(Arc::from(error.into()))
    }

    /// Whether this is [`Exit::Normal`], the one reason that a link does not pass on.
    #[must_use]
    pub const fn is_normal(&self) -> bool {
        matches!(self, Self::Normal)
    }

    /// Whether a supervisor takes this as a planned end: `Normal`, `Shutdown` or `ShutdownWith`.
    #[must_use]
    pub const fn is_planned(&self) -> bool {
        matches!(self, Self::Normal | Self::Shutdown | Self::ShutdownWith(_))
    }
}

/// Any error becomes [`Exit::Error`].
impl<E: Error + Send + Sync + 'static> From<E> for Exit {
    fn from(error: E) -> Self {
        Self::Error(Arc::new(error))
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal => f.write_str("normal"),
            Self::Shutdown => f.write_str("shutdown"),
            Self::ShutdownWith(term) => write!(f, "shutdown: {term}"),
            Self::Kill => f.write_str("kill"),
            Self::Killed => f.write_str("killed"),
            Self::NoProc => f.write_str("no such process"),
            Self::NoConnection => f.write_str("no connection to the node"),
            Self::Timeout => f.write_str("timeout"),
            Self::Error(error) => write!(f, "error: {error}"),
            Self::Panic(panic) => write!(f, "{panic}"),
            Self::Term(term) => write!(f, "{term}"),
        }
    }
}

impl fmt::Debug for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Exit({self})")
    }
}

impl PartialEq for Exit {
    fn eq(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
            && match self {
                Self::ShutdownWith(_) | Self::Error(_) | Self::Panic(_) | Self::Term(_) => {
                    self.to_string() == other.to_string()
                }
                _ => true,
            }
    }
}

/// A value carried by an exit reason: printable, shared, and recoverable by type.
///
/// ```
/// let term = hammerbeam::process::Term::new(42_u32);
/// assert_eq!(term.downcast_ref::<u32>(), Some(&42));
/// ```
#[derive(Clone)]
pub struct Term(Arc<dyn TermValue>);

trait TermValue: Any + fmt::Debug + Send + Sync {
    fn as_any(&self) -> &dyn Any;
}

impl<T: Any + fmt::Debug + Send + Sync> TermValue for T {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Term {
    /// Wraps a value.
    pub fn new<T: Any + fmt::Debug + Send + Sync>(value: T) -> Self {
        Self(Arc::new(value))
    }

    /// The value, if it is a `T`.
    #[must_use]
    pub fn downcast_ref<T: Any>(&self) -> Option<&T> {
        (*self.0).as_any().downcast_ref()
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Debug for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// What is known of a panic: its text and, when the panic hook saw it, its place.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PanicReport {
    /// The panic's message; empty when its payload was not text.
    pub message: String,
    /// `file:line:column`, when known.
    pub location: Option<String>,
    /// What was running: the body, a destructor, or a message's destructor.
    pub during: &'static str,
}

impl fmt::Display for PanicReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "panic in {}: {}", self.during, self.message)?;
        match &self.location {
            Some(location) => write!(f, ", at {location}"),
            None => Ok(()),
        }
    }
}

/// What a process body may return: `()`, an [`Exit`], a `Result` whose error is or becomes an exit reason, or nothing ever.
#[diagnostic::on_unimplemented(
    message = "a process body cannot return `{Self}`",
    note = "return `()`, `Exit`, or `Result<(), Exit>`; `?` turns any error into an `Exit`"
)]
pub trait IntoExit {
    /// The reason with which the process ends.
    fn into_exit(self) -> Exit;
}

impl IntoExit for () {
    fn into_exit(self) -> Exit {
        Exit::Normal
    }
}

impl IntoExit for Exit {
    fn into_exit(self) -> Exit {
        self
    }
}

impl<T: IntoExit, E: Into<Exit>> IntoExit for Result<T, E> {
    fn into_exit(self) -> Exit {
        match self {
            Ok(value) => value.into_exit(),
            Err(error) => error.into(),
        }
    }
}

/// `!`, named in stable Rust through the return type of a function pointer.
type Never = <fn() -> ! as Returns>::Output;

trait Returns {
    type Output;
}

impl<T> Returns for fn() -> T {
    type Output = T;
}

#[allow(
    private_interfaces,
    reason = "the detour by which stable Rust can name `!`"
)]
impl IntoExit for Never {
    fn into_exit(self) -> Exit {
        self
    }
}
