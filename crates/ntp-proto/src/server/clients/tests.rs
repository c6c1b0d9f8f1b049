use super::*;
use core::time::Duration;

const LIMITED: Restrictions = Restrictions::LIMITED;

fn table(memory: usize) -> ClientTable {
    ClientTable::new(memory, None, (1, 2), 3, MonoTime::ZERO)
}

fn at(millis: u64) -> MonoTime {
    MonoTime::ZERO + Duration::from_millis(millis)
}

fn visit(table: &mut ClientTable, from: &str, millis: u64, restrictions: Restrictions) -> Admission {
    let from = from.parse().unwrap();
    let visit = Visit { from, mode: Mode::Client, version: Version::V4, at: at(millis) };
    table.visit(&visit, &RateLimit::default(), restrictions)
}

fn records(table: &ClientTable) -> Vec<ClientRecord> {
    let mut records = Vec::new();
    table.list().for_each(at(1_000_000), |record| records.push(record));
    records.sort_by_key(|record| record.remote);
    records
}

#[test]
fn clients_are_remembered_as_they_came() {
    let mut table = table(1 << 16);
    visit(&mut table, "192.0.2.1:123", 1000, LIMITED);
    visit(&mut table, "192.0.2.1:5000", 3000, LIMITED);
    visit(&mut table, "[2001:db8::7]:9", 4000, LIMITED);
    let records = records(&table);
    assert_eq!(records.len(), 2);
    let first = ClientRecord {
        remote: "192.0.2.1:5000".parse().unwrap(),
        first: at(1000),
        last: at(3000),
        count: 2,
        mode: Mode::Client,
        version: 4,
        limited: false,
    };
    assert_eq!(records[0], first);
    assert_eq!(records[1].remote, "[2001:db8::7]:9".parse().unwrap());
}

#[test]
fn a_moment_is_the_same_whenever_it_is_asked_for() {
    let mut table = table(1 << 16);
    visit(&mut table, "192.0.2.1:9", 12_345, LIMITED);
    let seen = |millis: u64| {
        let mut seen = Vec::new();
        table.list().for_each(at(millis), |record| seen.push((record.first, record.last)));
        seen
    };
    let first = seen(20_000);
    assert!((20_001..20_300).all(|millis| seen(millis) == first));
}

#[test]
fn a_list_that_takes_over_another_has_who_asked_last() {
    let (mut former, mut next) = (table(1 << 16), ClientTable::new(1 << 16, None, (3, 4), 5, MonoTime::ZERO));
    visit(&mut former, "192.0.2.1:9", 1000, LIMITED);
    visit(&mut former, "192.0.2.2:9", 1000, LIMITED);
    visit(&mut former, "[2001:db8::7]:9", 1000, LIMITED);
    visit(&mut next, "192.0.2.2:77", 2000, LIMITED);
    next.adopt(&former.list(), |address| address.is_ipv4(), at(3000));
    let remotes: Vec<String> = records(&next).iter().map(|record| record.remote.to_string()).collect();
    assert_eq!(remotes, ["192.0.2.1:9", "192.0.2.2:77"]);
    assert_eq!(records(&next)[0], records(&former)[0]);
    // More than there is room for is left out.
    let mut large = table(1 << 16);
    for number in 0..1000_u64 {
        visit(&mut large, &format!("10.0.{}.{}:9", number / 250, number % 250), number, LIMITED);
    }
    let mut small = ClientTable::new(0, None, (3, 4), 5, MonoTime::ZERO);
    small.adopt(&large.list(), |_| true, at(3000));
    assert_eq!(records(&small).len(), small.list().capacity());
}

#[test]
fn beyond_the_limit_most_are_silent_and_few_are_told() {
    let mut table = table(1 << 16);
    let both = LIMITED | Restrictions::KOD;
    let outcomes: Vec<Admission> =
        (0..80_000).map(|step| visit(&mut table, "192.0.2.1:9", step, both)).collect();
    assert!(outcomes[..8].iter().all(|outcome| *outcome == Admission::Admitted));
    let count = |wanted: Admission| outcomes.iter().filter(|outcome| **outcome == wanted).count();
    // 80 s: 18 by right and a quarter of the rest by chance; a word about it in each 8 s.
    assert!((19_000..21_000).contains(&count(Admission::Admitted)), "{}", count(Admission::Admitted));
    assert!((10..=11).contains(&count(Admission::LimitedAloud)), "{}", count(Admission::LimitedAloud));
    assert!(records(&table)[0].limited);
    // Without `limited` nobody is.
    assert!((0..99).all(|_| visit(&mut table, "192.0.2.2:9", 1, Restrictions::NONE) == Admission::Admitted));
}

#[test]
fn nobody_is_told_more_often_than_the_configuration_says() {
    let rare = Some(Duration::from_secs(1000));
    let limit = RateLimit::new(Duration::from_secs(8), 1, Duration::ZERO, rare);
    let mut table = table(1 << 16);
    // Every 4 s, for 10^4 s: every other request is within the limit.
    let told = (0..2500_u64).filter(|step| {
        let visitor = Visit {
            from: "192.0.2.1:9".parse().unwrap(),
            mode: Mode::Client,
            version: Version::V4,
            at: at(4000 * step),
        };
        table.visit(&visitor, &limit, LIMITED | Restrictions::KOD) == Admission::LimitedAloud
    });
    let told = told.count();
    assert!((9..=11).contains(&told), "{told}");
}

#[test]
fn a_network_of_ipv6_is_one_client_and_each_ipv4_address_another() {
    let mut table = table(1 << 16);
    for last in 0..200 {
        visit(&mut table, &format!("[2001:db8::{last:x}]:9"), 5, LIMITED);
        visit(&mut table, &format!("192.0.2.{last}:9"), 5, LIMITED);
    }
    let records = records(&table);
    assert_eq!(records.len(), 201);
    assert_eq!(records[200].count, 200);
    assert!(records[200].limited);
    // The address shown is the last one, whole.
    assert_eq!(records[200].remote, "[2001:db8::c7]:9".parse().unwrap());
}

#[test]
fn a_full_table_forgets_the_stalest_and_stays_as_large_as_it_is() {
    let mut table = table(1 << 15);
    let room = table.list().capacity();
    assert_eq!(room, 1024);
    visit(&mut table, "192.0.2.1:9", 0, LIMITED);
    for number in 0..100_000_u32 {
        let address = IpAddr::from(number.wrapping_mul(2_654_435_761).to_be_bytes());
        let visitor = Visit {
            from: SocketAddr::new(address, 9),
            mode: Mode::Client,
            version: Version::V4,
            at: at(10 + u64::from(number)),
        };
        assert_eq!(table.visit(&visitor, &RateLimit::default(), LIMITED), Admission::Admitted);
        // A client that keeps asking is not pushed out.
        if number % 20 == 0 {
            visit(&mut table, "192.0.2.9:9", 10 + u64::from(number), Restrictions::NONE);
        }
    }
    let records = records(&table);
    assert!(records.len() <= room && records.len() > room * 9 / 10, "{}", records.len());
    let kept = records.iter().find(|record| record.remote.ip() == IpAddr::from([192, 0, 2, 9])).unwrap();
    assert!(kept.count > 4900, "{}", kept.count);
    assert!(records.iter().all(|record| record.remote.ip() != IpAddr::from([192, 0, 2, 1])));
}

#[test]
fn sizes_are_those_that_were_asked_for() {
    let entries = |memory, most| ClientTable::new(memory, most, (1, 2), 3, MonoTime::ZERO).list().capacity();
    assert_eq!(entries(1 << 20, None), 32_768);
    assert_eq!(entries(1 << 20, Some(600)), 600);
    assert_eq!(entries(0, None), WAYS);
    assert_eq!(size_of::<Bucket>(), WAYS * ENTRY_LEN);
}
