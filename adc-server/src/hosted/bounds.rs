//! Where hosted connectors may connect to: decided for every address, by what the operator named and what is never right.

use adc::config::Protection;
use std::{
    collections::BTreeSet,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket},
    str::FromStr,
    sync::Arc,
};

/// A network that directories may be in, as the operator named it: `corp=10.0.0.0/8`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// What messages call it.
    pub name: String,
    /// Its addresses.
    pub range: Range,
}

/// The addresses that begin with the same bits (RFC 4632, RFC 4291 section 2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    base: IpAddr,
    prefix: u32,
}

/// Tells which addresses are this machine's own.
#[derive(Clone)]
pub struct OwnAddresses(Arc<dyn Fn(IpAddr) -> bool + Send + Sync>);

/// Where hosted connectors may connect to.
#[derive(Debug, Clone)]
pub struct Bounds {
    networks: Vec<Network>,
    /// Names of networks that passwords may cross in clear.
    plain: BTreeSet<String>,
    own: OwnAddresses,
}

/// Why an address is not connected to. It names no network's range: that is the operator's, not the caller's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is the control plane's own, or of a kind that no directory has.
    #[error("{0} {1}, and hosted connectors never connect there")]
    Never(IpAddr, &'static str),
    /// The operator named no network that it is in.
    #[error(
        "{address} is in none of the networks that hosted connectors may connect to ({}); have it added to --hosted-networks, or run an agent beside the directory", names.join(", ")
    )]
    Elsewhere {
        /// The address.
        address: IpAddr,
        /// The names of the networks.
        names: Vec<String>,
    },
    /// What is sent there would be sent in clear.
    #[error(
        "the password would cross the network {network} to {address} in clear; use ldaps or start_tls, or have {network} named by --hosted-plain"
    )]
    InClear {
        /// The address.
        address: IpAddr,
        /// The network's name.
        network: String,
    },
}

impl Bounds {
    /// These networks, and those of them by name that `plain` LDAP may be spoken in.
    ///
    /// # Errors
    /// `plain` names none of them.
    pub fn new(networks: Vec<Network>, plain: Vec<String>, own: OwnAddresses) -> Result<Self, String> {
        if let Some(unknown) = plain.iter().find(|name| networks.iter().all(|network| network.name != **name))
        {
            let names: Vec<&str> = networks.iter().map(|network| network.name.as_str()).collect();
            return Err(format!(
                "--hosted-plain names the network {unknown}, and --hosted-networks names only {}",
                names.join(", ")
            ));
        }
        Ok(Self { networks, plain: plain.into_iter().collect(), own })
    }

    /// Whether a connector may connect there.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, address: IpAddr, protection: Protection) -> Result<(), Refusal> {
        let address = address.to_canonical();
        if let Some(why) = never(address) {
            return Err(Refusal::Never(address, why));
        }
        if self.own.contain(address) {
            return Err(Refusal::Never(address, "is the control plane's own address"));
        }
        let mut containing =
            self.networks.iter().filter(|network| network.range.contains(address)).peekable();
        let Some(first) = containing.peek().map(|network| network.name.clone()) else {
            let names: BTreeSet<&String> = self.networks.iter().map(|network| &network.name).collect();
            return Err(Refusal::Elsewhere { address, names: names.into_iter().cloned().collect() });
        };
        if protection != Protection::Plain || containing.any(|network| self.plain.contains(&network.name)) {
            Ok(())
        } else {
            Err(Refusal::InClear { address, network: first })
        }
    }

    /// Whether plain LDAP is allowed anywhere at all.
    pub fn allow_plain_somewhere(&self) -> bool {
        !self.plain.is_empty()
    }
}

/// Why no directory that a connector is meant for has this address, whatever the operator allows.
fn never(address: IpAddr) -> Option<&'static str> {
    const METADATA: &str = "is where clouds tell machines their secrets";
    const LINK_LOCAL: &str = "is a link-local address";
    const CARRIES: &str = "is an IPv6 address that stands for an IPv4 address";
    match address {
        IpAddr::V4(v4) => match v4.octets() {
            _ if METADATA_V4.contains(&v4) => Some(METADATA),
            [0, ..] => Some("stands for this machine itself"),
            [127, ..] => Some("is a loopback address"),
            [169, 254, ..] => Some(LINK_LOCAL),
            [224..=239, ..] => Some("is a multicast address"),
            [240..=255, ..] => Some("is a reserved address"),
            _ => None,
        },
        IpAddr::V6(v6) => match v6.segments() {
            _ if METADATA_V6.contains(&v6) => Some(METADATA),
            [0, 0, 0, 0, 0, 0, 0, 0] => Some("stands for this machine itself"),
            [0, 0, 0, 0, 0, 0, 0, 1] => Some("is a loopback address"),
            // Mapped (RFC 4291 2.5.5), compatible, translated (RFC 6052, RFC 8215), 6to4 (RFC 3056), Teredo (RFC 4380).
            [0, 0, 0, 0, 0, 0 | 0xffff, ..]
            | [0, 0, 0, 0, 0xffff, 0, ..]
            | [0x64, 0xff9b, ..]
            | [0x2002, ..]
            | [0x2001, 0, ..] => Some(CARRIES),
            [0xfe80..=0xfebf, ..] => Some(LINK_LOCAL),
            [0xff00..=0xffff, ..] => Some("is a multicast address"),
            _ => None,
        },
    }
}

/// Metadata services outside of the link-local range: Azure, Alibaba Cloud, Oracle Cloud.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(192, 0, 0, 192)];
/// The same over IPv6: AWS, Google Cloud.
const METADATA_V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];

impl OwnAddresses {
    /// Those of this machine, as they are at the moment: an address is its own if a socket can be bound to it. Where that cannot be
    /// told the address counts as its own.
    pub fn of_this_machine() -> Self {
        Self::from_fn(|address| match UdpSocket::bind((address, 0)) {
            Ok(_) => true,
            Err(error) => error.kind() != std::io::ErrorKind::AddrNotAvailable,
        })
    }

    /// Those of which `is_own` says so.
    pub fn from_fn(is_own: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(is_own))
    }

    fn contain(&self, address: IpAddr) -> bool {
        (self.0)(address)
    }
}

impl fmt::Debug for OwnAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnAddresses")
    }
}

impl Range {
    /// Whether the address begins as all of the range do.
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => {
                bits(self.base) == bits(address) & self.mask()
            }
            _ => false,
        }
    }

    /// The bits that count, in the lowest 32 or 128.
    fn mask(self) -> u128 {
        let width = width(self.base);
        let all = u128::MAX >> (128 - width);
        all & !all.checked_shr(self.prefix).unwrap_or(0)
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u32::from(v4).into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let odd = || format!("\"{text}\" is no network; write it as 10.0.0.0/8 or fd00:1::/32");
        let (base, prefix) = text.split_once('/').ok_or_else(odd)?;
        let base: IpAddr = base.parse().map_err(|_| odd())?;
        let prefix: u32 = prefix.parse().ok().filter(|prefix| *prefix <= width(base)).ok_or_else(odd)?;
        let range = Self { base, prefix };
        if bits(base) & !range.mask() != 0 {
            return Err(format!(
                "\"{text}\" has bits set behind the first {prefix}; write the network's first address"
            ));
        }
        if matches!(base.to_canonical(), IpAddr::V4(_)) && base.is_ipv6() {
            return Err(format!("\"{text}\" is of IPv4 addresses written as IPv6; write it as IPv4"));
        }
        Ok(range)
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, range) = text
            .split_once('=')
            .ok_or_else(|| format!("\"{text}\" lacks a name; write NAME=NETWORK, such as corp=10.0.0.0/8"))?;
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || !name.chars().all(is_word) {
            return Err(format!("\"{name}\" is no name of a network; use letters, digits, hyphens and dots"));
        }
        Ok(Self { name: name.to_owned(), range: range.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OWN: &str = "10.9.9.9";

    fn bounds(networks: &[&str], plain: &[&str]) -> Bounds {
        let networks = networks.iter().map(|network| network.parse().expect(network)).collect();
        let plain = plain.iter().map(|name| (*name).to_owned()).collect();
        let own = OwnAddresses::from_fn(|address| address == OWN.parse::<IpAddr>().expect("parses"));
        Bounds::new(networks, plain, own).expect("holds together")
    }

    fn everywhere() -> Bounds {
        bounds(&["all4=0.0.0.0/0", "all6=::/0"], &["all4", "all6"])
    }

    fn check(bounds: &Bounds, address: &str) -> Result<(), Refusal> {
        bounds.check(address.parse().expect(address), Protection::Ldaps)
    }

    #[test]
    fn some_addresses_are_refused_whatever_is_allowed() {
        for address in [
            "127.0.0.1",
            "127.255.255.254",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "169.254.0.1",
            "168.63.129.16",
            "100.100.100.200",
            "192.0.0.192",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            OWN,
            "::1",
            "::",
            "fe80::1",
            "febf::1",
            "ff02::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            // The same in disguise.
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:10.9.9.9",
            "::127.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::7f00:1",
            "2002:7f00:1::",
            "2001::1",
        ] {
            let refusal = check(&everywhere(), address).expect_err(address);
            assert!(matches!(refusal, Refusal::Never(..)), "{address}: {refusal}");
        }
        for address in ["10.1.2.3", "192.168.1.1", "8.8.8.8", "fd00::1", "2001:db8::1", "::ffff:10.1.2.3"] {
            assert_eq!(check(&everywhere(), address), Ok(()), "{address}");
        }
    }

    #[test]
    fn only_what_was_named_is_allowed() {
        let bounds = bounds(&["corp=10.0.0.0/8", "lab=192.168.7.0/24", "six=fd00:1::/32"], &[]);
        for address in ["10.0.0.0", "10.255.255.255", "192.168.7.9", "fd00:1:ffff::1", "::ffff:10.1.1.1"] {
            assert_eq!(check(&bounds, address), Ok(()), "{address}");
        }
        for address in ["11.0.0.0", "9.255.255.255", "192.168.8.0", "fd00:2::1", "::ffff:11.0.0.1", "a00::1"]
        {
            assert!(matches!(check(&bounds, address), Err(Refusal::Elsewhere { .. })), "{address}");
        }
        let said = check(&bounds, "11.0.0.1").expect_err("refused").to_string();
        assert!(said.contains("(corp, lab, six)") && !said.contains("10.0.0.0"), "{said}");
    }

    #[test]
    fn passwords_cross_only_those_networks_in_clear_that_were_named_for_it() {
        let bounds = bounds(&["corp=10.0.0.0/8", "lab=10.7.0.0/16"], &["lab"]);
        let plain = |address: &str| bounds.check(address.parse().expect(address), Protection::Plain);
        assert_eq!(plain("10.7.0.1"), Ok(()));
        let said = plain("10.8.0.1").expect_err("refused").to_string();
        assert!(said.contains("network corp to 10.8.0.1 in clear"), "{said}");
        assert_eq!(bounds.check("10.8.0.1".parse().expect("parses"), Protection::StartTls), Ok(()));
        assert!(matches!(plain("10.9.9.9"), Err(Refusal::Never(..))));
    }

    #[test]
    fn what_is_no_network_is_refused_with_a_sentence() {
        for (text, why) in [
            ("10.0.0.0/8", "lacks a name"),
            ("=10.0.0.0/8", "no name of a network"),
            ("a b=10.0.0.0/8", "no name of a network"),
            ("corp=10.0.0.0", "is no network"),
            ("corp=10.0.0.0/33", "is no network"),
            ("corp=host/8", "is no network"),
            ("corp=10.1.0.0/8", "write the network's first address"),
            ("corp=::ffff:10.0.0.0/104", "write it as IPv4"),
        ] {
            let said = text.parse::<Network>().expect_err(text);
            assert!(said.contains(why), "{text}: {said}");
        }
        let networks = vec!["corp=10.0.0.0/8".parse().expect("parses")];
        let unknown = Bounds::new(networks, vec!["lab".to_owned()], OwnAddresses::from_fn(|_| false));
        assert!(unknown.expect_err("refused").contains("names the network lab"));
    }

    #[test]
    fn what_a_socket_can_be_bound_to_is_this_machines_own() {
        let own = OwnAddresses::of_this_machine();
        assert!(own.contain(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        // TEST-NET-3 (RFC 5737): nobody's.
        assert!(!own.contain("203.0.113.77".parse().expect("parses")));
    }

    proptest! {
        #[test]
        fn an_ipv4_address_in_disguise_is_judged_as_what_it_is(address: [u8; 4]) {
            let v4 = Ipv4Addr::from(address);
            let bounds = bounds(&["corp=10.0.0.0/8", "all6=::/0"], &[]);
            let plain = bounds.check(v4.into(), Protection::Ldaps);
            let mapped = bounds.check(v4.to_ipv6_mapped().into(), Protection::Ldaps);
            prop_assert_eq!(plain, mapped);
        }

        #[test]
        fn a_range_holds_exactly_what_shares_its_first_bits(base: u32, prefix in 0_u32..=32, other: u32) {
            let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
            let range: Range = format!("{}/{prefix}", Ipv4Addr::from(base & mask)).parse().expect("a network");
            prop_assert_eq!(range.contains(Ipv4Addr::from(other).into()), base & mask == other & mask);
            prop_assert!(range.contains(Ipv4Addr::from(base).into()));
        }
    }
}
