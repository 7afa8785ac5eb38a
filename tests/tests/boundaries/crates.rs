//! Which crate may know what: design.md's and ARCHITECTURE.md's section on crates, kept true.

use super::sources::files;

#[test]
fn one_file_of_the_agent_names_each_library_of_the_network() {
    for library in ["ldap3", "reqwest", "tokio_tungstenite"] {
        let naming = naming("adc/src", library);
        assert!(naming.len() <= 1, "only one file of adc may name {library}: {naming:?}");
    }
}

#[test]
fn only_the_store_names_sqlx() {
    let others: Vec<String> = naming("adc-server/src", "sqlx")
        .into_iter()
        .filter(|path| !path.starts_with("adc-server/src/store/"))
        .collect();
    assert!(others.is_empty(), "only adc-server/src/store/ may name sqlx: {others:?}");
}

#[test]
fn the_core_is_pure() {
    let [manifest] = &files("adc-core", &["Cargo.toml"])[..] else { panic!("adc-core has one manifest") };
    for library in ["tokio", "sqlx", "reqwest", "axum", "ldap3", "futures-util", "tracing"] {
        let names_it = manifest.code().any(|(_, line)| line.starts_with(&format!("{library}.")));
        assert!(!names_it, "adc-core is free of IO, but its manifest names {library}");
    }
    for source in files("adc-core/src", &[".rs"]) {
        for (number, line) in source.code() {
            for module in ["std::net", "std::fs", "std::process", "std::thread", "std::env", "Instant::now"] {
                assert!(!line.contains(module), "{}:{number} does IO: {}", source.path, line.trim());
            }
        }
    }
}

#[test]
fn every_connection_of_the_agent_is_made_where_its_bounds_are_asked_for() {
    // An agent that the control plane runs itself may not be led to the control plane's own network: `dial.rs` asks about every
    // address of a directory; what is beside it leads to the control plane.
    const MAKING: [&str; 3] = ["TcpSocket", "TcpStream::connect", "lookup_host"];
    const PLACES: [&str; 2] = ["adc/src/directory/dial.rs", "adc/src/control_plane/way.rs"];
    for source in files("adc/src", &[".rs"]).iter().filter(|source| !PLACES.contains(&source.path.as_str())) {
        for (number, line) in source.shipped_code() {
            let makes_one = MAKING.iter().any(|word| line.contains(word));
            assert!(!makes_one, "{}:{number} connects by itself: {}", source.path, line.trim());
        }
    }
}

#[test]
fn nothing_but_the_tests_depends_on_the_server() {
    for folder in ["adc-core", "adc", "adc-sandbox", "xtask"] {
        for manifest in files(folder, &["Cargo.toml"]) {
            assert!(!manifest.text.contains("adc-server"), "{} depends on adc-server", manifest.path);
        }
    }
}

/// The files below a folder whose code names a library.
fn naming(folder: &str, library: &str) -> Vec<String> {
    files(folder, &[".rs"]).into_iter().filter(|file| file.names(library)).map(|file| file.path).collect()
}
