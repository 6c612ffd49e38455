//! Addresses: what a socket can be bound or connected to.
//!
//! **Promise.** Looking up a host name never blocks a worker: it happens on the background runtime's threads for blocking calls.
//! An address that is given as numbers, in a string too, needs no look-up and no other thread.

use std::io::{self, ErrorKind};
use std::net::{
    IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, ToSocketAddrs as _,
};

/// What stands for one or more socket addresses: a `SocketAddr`, an IP address with a port, a slice of addresses, or a host name with
/// a port, `"localhost:4000"` or `("localhost", 4000)`.
///
/// Sealed: it may be called, not implemented.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a socket address",
    note = "give a `SocketAddr`, `(IpAddr, port)`, `&[SocketAddr]`, `\"host:port\"` or `(\"host\", port)`"
)]
pub trait ToAddrs: sealed::Sealed {
    #[doc(hidden)]
    fn addrs(&self) -> io::Result<Addrs>;
}

mod sealed {
    #[allow(unnameable_types)] // That is its purpose.
    pub trait Sealed {}
}

/// Addresses, or a name that has to be looked up.
#[doc(hidden)]
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(unnameable_types)] // Seen only through the sealed trait.
pub enum Addrs {
    One(SocketAddr),
    Many(Vec<SocketAddr>),
    Host(String, u16),
}

impl Addrs {
    /// The addresses, of which there is at least one.
    pub(crate) async fn look_up(self) -> io::Result<impl Iterator<Item = SocketAddr> + Send> {
        let (one, many) = match self {
            // The usual case needs no list.
            Self::One(addr) => (Some(addr), Vec::new()),
            Self::Many(addrs) => (None, addrs),
            Self::Host(host, port) => (None, look_up(host, port).await?),
        };
        if one.is_none() && many.is_empty() {
            return Err(io::Error::new(
                ErrorKind::InvalidInput,
                "no addresses given or found",
            ));
        }
        Ok(one.into_iter().chain(many))
    }
}

async fn look_up(host: String, port: u16) -> io::Result<Vec<SocketAddr>> {
    let background = tokio::runtime::Handle::try_current().map_err(|_| {
        io::Error::new(
            ErrorKind::Unsupported,
            format!(
                "cannot look up {host:?} without a background runtime (see `Builder::background`); use an IP address"
            ),
        )
    })?;
    background
        .spawn_blocking(move || Ok((host.as_str(), port).to_socket_addrs()?.collect()))
        .await
        .map_err(io::Error::other)?
}

/// Calls `open` with one address after the other until it succeeds; else the last failure.
pub(crate) fn first_of<T>(
    addrs: impl Iterator<Item = SocketAddr>,
    open: impl FnMut(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let mut last = Err(ErrorKind::InvalidInput.into());
    for opened in addrs.map(open) {
        last = opened;
        if last.is_ok() {
            break;
        }
    }
    last
}

fn host(host: &str, port: u16) -> Addrs {
    match host.parse::<IpAddr>() {
        Ok(ip) => Addrs::One(SocketAddr::new(ip, port)),
        Err(_) => Addrs::Host(host.to_owned(), port),
    }
}

macro_rules! to_addrs {
    ($($type:ty: $self:ident => $addrs:expr;)*) => {
        $(
            impl sealed::Sealed for $type {}
            impl ToAddrs for $type {
                fn addrs(&$self) -> io::Result<Addrs> {
                    Ok($addrs)
                }
            }
        )*
    };
}

to_addrs! {
    SocketAddr: self => Addrs::One(*self);
    SocketAddrV4: self => Addrs::One((*self).into());
    SocketAddrV6: self => Addrs::One((*self).into());
    (IpAddr, u16): self => Addrs::One((*self).into());
    (Ipv4Addr, u16): self => Addrs::One((*self).into());
    (Ipv6Addr, u16): self => Addrs::One((*self).into());
    [SocketAddr]: self => Addrs::Many(self.to_vec());
    Vec<SocketAddr>: self => Addrs::Many(self.clone());
    (&str, u16): self => host(self.0, self.1);
    (String, u16): self => host(&self.0, self.1);
    String: self => self.as_str().addrs()?;
}

impl<const N: usize> sealed::Sealed for [SocketAddr; N] {}
impl<const N: usize> ToAddrs for [SocketAddr; N] {
    fn addrs(&self) -> io::Result<Addrs> {
        Ok(Addrs::Many(self.to_vec()))
    }
}

impl<T: ToAddrs + ?Sized> sealed::Sealed for &T {}
impl<T: ToAddrs + ?Sized> ToAddrs for &T {
    fn addrs(&self) -> io::Result<Addrs> {
        (**self).addrs()
    }
}

impl sealed::Sealed for str {}
impl ToAddrs for str {
    fn addrs(&self) -> io::Result<Addrs> {
        if let Ok(addr) = self.parse() {
            return Ok(Addrs::One(addr));
        }
        let invalid = |what: &Self| {
            io::Error::new(
                ErrorKind::InvalidInput,
                format!("{self:?} is not an address: {what}"),
            )
        };
        let (name, port) = self.rsplit_once(':').ok_or_else(|| invalid("no port"))?;
        let port = port.parse().map_err(|_| invalid("the port is no number"))?;
        Ok(host(name, port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Addrs {
        Addrs::One(text.parse().unwrap())
    }

    #[test]
    fn numbers_need_no_look_up() {
        assert_eq!("127.0.0.1:80".addrs().unwrap(), one("127.0.0.1:80"));
        assert_eq!("[::1]:80".addrs().unwrap(), one("[::1]:80"));
        assert_eq!(("127.0.0.1", 80).addrs().unwrap(), one("127.0.0.1:80"));
        assert_eq!(("::1".to_owned(), 80).addrs().unwrap(), one("[::1]:80"));
        assert_eq!(
            (Ipv4Addr::LOCALHOST, 80).addrs().unwrap(),
            one("127.0.0.1:80")
        );
    }

    #[test]
    fn names_are_told_from_numbers() {
        let named = Addrs::Host("example.org".into(), 443);
        assert_eq!("example.org:443".addrs().unwrap(), named);
        assert_eq!(("example.org", 443).addrs().unwrap(), named);
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        let error = "example.org".addrs().unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"example.org\" is not an address: no port"
        );
        assert!("example.org:http".addrs().is_err());
    }
}
