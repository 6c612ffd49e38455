//! The two halves of a byte stream: the same for TCP and Unix domain sockets.

/// Writes `ReadHalf`, `WriteHalf`, `OwnedReadHalf`, `OwnedWriteHalf` and `ReuniteError` for a stream with the `_shared` functions.
macro_rules! halves {
    ($(#[$note:meta])* $stream:ident) => {
        use std::fmt;
        use std::io::{self, IoSlice};
        use std::pin::Pin;
        use std::sync::Arc;
        use std::task::{Context, Poll};

        use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

        /// The reading half that borrows its stream; see `split`.
        #[derive(Debug)]
        pub struct ReadHalf<'a> {
            pub(super) stream: &'a $stream,
        }

        /// The writing half that borrows its stream; see `split`. Dropping it changes nothing.
        #[derive(Debug)]
        pub struct WriteHalf<'a> {
            pub(super) stream: &'a $stream,
        }

        /// The reading half of a stream; see `into_split`.
        #[derive(Debug)]
        pub struct OwnedReadHalf {
            pub(super) stream: Arc<$stream>,
        }

        /// The writing half of a stream; see `into_split`. Dropping it ends our direction.
        ///
        $(#[$note])*
        #[derive(Debug)]
        pub struct OwnedWriteHalf {
            stream: Arc<$stream>,
            ends_stream: bool,
        }

        impl OwnedWriteHalf {
            pub(super) const fn new(stream: Arc<$stream>) -> Self {
                Self {
                    stream,
                    ends_stream: true,
                }
            }

            /// Drops it without ending our direction, which then ends with the stream.
            pub fn forget(mut self) {
                self.ends_stream = false;
            }

            /// The stream that this is a half of.
            #[must_use]
            pub fn stream(&self) -> &$stream {
                &self.stream
            }
        }

        impl OwnedReadHalf {
            /// The stream that this is a half of.
            #[must_use]
            pub fn stream(&self) -> &$stream {
                &self.stream
            }

            /// Makes one stream of its two halves again.
            ///
            /// # Errors
            /// [`ReuniteError`], with both, if they are not of one stream.
            pub fn reunite(self, mut write: OwnedWriteHalf) -> Result<$stream, ReuniteError> {
                if !Arc::ptr_eq(&self.stream, &write.stream) {
                    return Err(ReuniteError(self, write));
                }
                write.ends_stream = false;
                drop(write);
                Ok(Arc::into_inner(self.stream).expect("the other half was just dropped"))
            }
        }

        impl Drop for OwnedWriteHalf {
            fn drop(&mut self) {
                if self.ends_stream {
                    // It fails if the peer has gone, which its reader sees.
                    let _ = self.stream.shut_down_write();
                }
            }
        }

        /// Two halves are not of one stream; they come back.
        #[derive(Debug)]
        pub struct ReuniteError(pub OwnedReadHalf, pub OwnedWriteHalf);

        impl fmt::Display for ReuniteError {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("cannot reunite halves of two streams")
            }
        }

        impl std::error::Error for ReuniteError {}

        halves!(@read ReadHalf<'_>);
        halves!(@read OwnedReadHalf);
        halves!(@write WriteHalf<'_>);
        halves!(@write OwnedWriteHalf);
    };

    (@read $half:ty) => {
        impl AsyncRead for $half {
            fn poll_read(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                self.stream.poll_read_shared(context, buf)
            }
        }
    };

    (@write $half:ty) => {
        impl AsyncWrite for $half {
            fn poll_write(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.stream.poll_write_shared(context, bytes)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                slices: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                self.stream.poll_write_vectored_shared(context, slices)
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(self.stream.shut_down_write())
            }
        }
    };
}

pub(crate) use halves;
