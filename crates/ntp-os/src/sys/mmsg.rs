//! `recvmmsg(2)` and `sendmmsg(2)`: many datagrams in one call.
//!
//! The kernel is given pointers into buffers that are allocated once and never move. They are made anew before
//! every call, so that none outlives a use of the buffers in between. Nothing outside of this file sees one.

use std::io;
use std::os::fd::RawFd;

/// Room for an address of either family.
const NAME_LEN: usize = size_of::<libc::sockaddr_in6>();

/// An address before the kernel has written one.
const NOBODY: libc::sockaddr_in6 = libc::sockaddr_in6 {
    sin6_family: 0,
    sin6_port: 0,
    sin6_flowinfo: 0,
    sin6_addr: libc::in6_addr { s6_addr: [0; 16] },
    sin6_scope_id: 0,
};

/// Room for stamps and packet information, with their headers.
const CONTROL_LEN: usize = 192;

/// An aligned buffer of control messages.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; CONTROL_LEN]);

/// One datagram with everything around it.
#[repr(C)]
struct Slot<const N: usize> {
    bytes: [u8; N],
    name: libc::sockaddr_in6,
    control: Control,
    vector: libc::iovec,
}

/// Buffers for many datagrams of up to `N` bytes.
pub(crate) struct Messages<const N: usize> {
    slots: Box<[Slot<N>]>,
    headers: Box<[libc::mmsghdr]>,
}

// SAFETY: the pointers in `headers` lead into `slots`, which the same value owns; nobody else has them.
unsafe impl<const N: usize> Send for Messages<N> {}

/// What came with a datagram, besides its bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ancillary {
    /// The kernel's receive stamp.
    pub(crate) stamp: Option<libc::timespec>,
    /// The address and interface that it was sent to.
    pub(crate) to_v4: Option<libc::in_pktinfo>,
    /// The same of IPv6.
    pub(crate) to_v6: Option<libc::in6_pktinfo>,
}

impl Ancillary {
    /// What sends from an address.
    pub(crate) fn from_address(address: std::net::IpAddr) -> Self {
        let nowhere = libc::in_addr { s_addr: 0 };
        match address {
            std::net::IpAddr::V4(v4) => {
                let own = libc::in_addr { s_addr: u32::from(v4).to_be() };
                let info = libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: nowhere, ipi_addr: own };
                Self { to_v4: Some(info), ..Self::default() }
            }
            std::net::IpAddr::V6(v6) => {
                let own = libc::in6_addr { s6_addr: v6.octets() };
                let info = libc::in6_pktinfo { ipi6_addr: own, ipi6_ifindex: 0 };
                Self { to_v6: Some(info), ..Self::default() }
            }
        }
    }
}

impl<const N: usize> Messages<N> {
    /// Room for `count` datagrams.
    pub(crate) fn new(count: usize) -> Self {
        let slot = || Slot {
            bytes: [0; N],
            name: NOBODY,
            control: Control([0; CONTROL_LEN]),
            vector: libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 },
        };
        Self { slots: (0..count).map(|_| slot()).collect(), headers: (0..count).map(|_| header()).collect() }
    }

    /// Waits for a datagram and takes what else is there. Returns how many came.
    pub(crate) fn receive(&mut self, fd: RawFd, count: usize) -> io::Result<usize> {
        let count = count.min(self.headers.len());
        for (header, slot) in self.headers.iter_mut().zip(&mut self.slots).take(count) {
            header.msg_hdr.msg_namelen = length(NAME_LEN);
            header.msg_hdr.msg_controllen = length(CONTROL_LEN);
            header.msg_hdr.msg_flags = 0;
            slot.vector.iov_len = N;
            point(header, slot);
        }
        // SAFETY: `count` headers are valid, and each points at buffers of the lengths it states, which
        // `self` owns, and which nobody touched since the pointers were made, nor touches during the call.
        let received = unsafe {
            libc::recvmmsg(
                fd,
                self.headers.as_mut_ptr(),
                length(count),
                flag(libc::MSG_WAITFORONE),
                std::ptr::null_mut(),
            )
        };
        usize::try_from(received).map_err(|_| io::Error::last_os_error())
    }

    /// Sends the first `count` datagrams. Returns how many have left; an error is about the first one.
    pub(crate) fn send(&mut self, fd: RawFd, from: usize, count: usize) -> io::Result<usize> {
        let (Some(headers), Some(slots)) =
            (self.headers.get_mut(from..count), self.slots.get_mut(from..count))
        else {
            return Ok(0);
        };
        for (header, slot) in headers.iter_mut().zip(slots) {
            point(header, slot);
        }
        // SAFETY: as for receiving; the lengths were set by `put` and `address`.
        let sent = unsafe {
            libc::sendmmsg(fd, headers.as_mut_ptr(), length(headers.len()), flag(libc::MSG_DONTWAIT))
        };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }

    /// The bytes of a datagram that was received, and whether there were more than fit.
    pub(crate) fn bytes(&self, index: usize) -> (&[u8], bool) {
        let (Some(slot), Some(header)) = (self.slots.get(index), self.headers.get(index)) else {
            return (&[], false);
        };
        let length = usize::try_from(header.msg_len).unwrap_or(0);
        let cut = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
        (slot.bytes.get(..length).unwrap_or_default(), cut)
    }

    /// The sender of a datagram, as the kernel wrote it.
    pub(crate) fn name(&self, index: usize) -> Option<libc::sockaddr_in6> {
        let (slot, header) = (self.slots.get(index)?, self.headers.get(index)?);
        let known = usize::try_from(header.msg_hdr.msg_namelen).unwrap_or(0);
        (known >= size_of::<libc::sockaddr_in>()).then_some(slot.name)
    }

    /// What the kernel said about a datagram.
    pub(crate) fn ancillary(&self, index: usize) -> Ancillary {
        let mut found = Ancillary::default();
        let Some(header) = self.headers.get(index) else { return found };
        // SAFETY: the header is one that the kernel has filled in, and its control buffer is alive.
        let mut part = unsafe { libc::CMSG_FIRSTHDR(&raw const header.msg_hdr) };
        while !part.is_null() {
            // SAFETY: `part` points at a whole control message within the buffer, as the macros promise.
            let kind = unsafe { *part };
            // SAFETY: the same.
            let data = unsafe { libc::CMSG_DATA(part) };
            match (kind.cmsg_level, kind.cmsg_type) {
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS | libc::SCM_TIMESTAMPING) => {
                    // SAFETY: these messages begin with a timespec; it need not be aligned.
                    found.stamp = Some(unsafe { data.cast::<libc::timespec>().read_unaligned() });
                }
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    // SAFETY: this message is an in_pktinfo.
                    found.to_v4 = Some(unsafe { data.cast::<libc::in_pktinfo>().read_unaligned() });
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    // SAFETY: this message is an in6_pktinfo.
                    found.to_v6 = Some(unsafe { data.cast::<libc::in6_pktinfo>().read_unaligned() });
                }
                _ => {}
            }
            // SAFETY: header and part are those of above.
            part = unsafe { libc::CMSG_NXTHDR(&raw const header.msg_hdr, part) };
        }
        found
    }

    /// Writes a datagram to send; what there is no room for is cut.
    pub(crate) fn put(&mut self, index: usize, bytes: &[u8]) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let length = bytes.len().min(N);
        for (place, byte) in slot.bytes.iter_mut().zip(bytes) {
            *place = *byte;
        }
        slot.vector.iov_len = length;
    }

    /// Says where a datagram goes, and from which address of ours.
    pub(crate) fn address(&mut self, index: usize, to: &libc::sockaddr_in6, from: &Ancillary) {
        let (Some(slot), Some(header)) = (self.slots.get_mut(index), self.headers.get_mut(index)) else {
            return;
        };
        slot.name = *to;
        let v4 = i32::from(to.sin6_family) == libc::AF_INET;
        header.msg_hdr.msg_namelen =
            length(if v4 { size_of::<libc::sockaddr_in>() } else { size_of::<libc::sockaddr_in6>() });
        header.msg_hdr.msg_controllen = match (from.to_v4, from.to_v6) {
            // struct in_pktinfo: interface, the address to send from, nothing.
            (Some(info), _) => {
                let mut data = [0; 12];
                data[4..8].copy_from_slice(&info.ipi_addr.s_addr.to_ne_bytes());
                length(write_control(&mut slot.control, libc::IPPROTO_IP, libc::IP_PKTINFO, &data))
            }
            // struct in6_pktinfo: the address to send from, interface.
            (None, Some(info)) => {
                let mut data = [0; 20];
                let address = info.ipi6_addr.s6_addr;
                // Elsewhere the routes decide, which may lead out by another interface.
                let local = std::net::Ipv6Addr::from(address).is_unicast_link_local();
                data[..16].copy_from_slice(&address);
                data[16..].copy_from_slice(&if local { info.ipi6_ifindex } else { 0 }.to_ne_bytes());
                length(write_control(&mut slot.control, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &data))
            }
            (None, None) => 0,
        };
    }
}

impl<const N: usize> std::fmt::Debug for Messages<N> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Messages").field("count", &self.slots.len()).finish_non_exhaustive()
    }
}

fn length<T: TryFrom<usize> + Default>(value: usize) -> T {
    T::try_from(value).unwrap_or_default()
}

/// The C libraries differ in whether flags have a sign.
fn flag<T: TryFrom<libc::c_int> + Default>(value: libc::c_int) -> T {
    T::try_from(value).unwrap_or_default()
}

/// A header that leads nowhere yet.
const fn header() -> libc::mmsghdr {
    // SAFETY: mmsghdr is a plain C structure of integers and pointers, for which zeros are valid.
    unsafe { std::mem::zeroed() }
}

/// Has a header lead to a slot's buffers.
fn point<const N: usize>(header: &mut libc::mmsghdr, slot: &mut Slot<N>) {
    slot.vector.iov_base = slot.bytes.as_mut_ptr().cast();
    header.msg_hdr.msg_name = (&raw mut slot.name).cast();
    header.msg_hdr.msg_iov = &raw mut slot.vector;
    header.msg_hdr.msg_iovlen = 1;
    header.msg_hdr.msg_control = slot.control.0.as_mut_ptr().cast();
}

/// Writes one control message and returns the length of the buffer's used part.
fn write_control(control: &mut Control, level: i32, kind: i32, data: &[u8]) -> usize {
    let whole = size_of::<libc::cmsghdr>() + data.len();
    let head = level.to_ne_bytes().into_iter().chain(kind.to_ne_bytes());
    let bytes = whole.to_ne_bytes().into_iter().chain(head).chain(data.iter().copied());
    for (place, byte) in control.0.iter_mut().zip(bytes) {
        *place = byte;
    }
    whole.next_multiple_of(size_of::<usize>())
}
