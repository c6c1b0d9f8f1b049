//! The mode 6 client: asks any ntpd, classic or NTPsec or ours, and prints what `ntpq` always
//! printed. It reads neither the daemon's memory nor its files.
#![forbid(unsafe_code)]

pub mod cli;
pub mod client;
mod command;
pub mod exit;
mod format;
mod history;
mod interactive;
mod json;
mod keys;
mod names;
mod session;
mod settings;
mod standing;
pub mod values;
mod verify;
mod why;

pub use command::commands;
pub use session::run;

/// What `ntpq -pn` prints of a daemon.
pub fn peers_table(client: &mut client::Client) -> Result<String, client::ClientError> {
    let mut key = keys::Choice::default();
    let mut settings = settings::Settings::plain();
    let mut context = command::Context {
        client,
        host: String::new(),
        settings: &mut settings,
        key: &mut key,
        heading: None,
    };
    let mut out = Vec::new();
    match command::run("peers", &mut context, &mut out) {
        Ok(_) => Ok(String::from_utf8_lossy(&out).into_owned()),
        Err(command::CommandError::Client(error)) => Err(error),
        Err(command::CommandError::Output(error)) => Err(error.into()),
        Err(error) => Err(std::io::Error::other(error.to_string()).into()),
    }
}
