//! One HTTP request and its response, each written and read byte by byte, so that a test decides about
//! every header field.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// Longer than a response takes on a busy machine.
const TIME_OUT: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// The header fields, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let field = self.headers.iter().find(|(one, _)| one == name);
        field.map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null if it is not JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// Sends a request to a port on loopback, with these header fields. `Content-Length` is added, and `Host`
/// unless it is given. Blocks; in a task, call [`exchange`].
pub(crate) fn exchange_now(
    port: u16,
    line: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> io::Result<Response> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(TIME_OUT))?;
    let mut request = format!("{line} HTTP/1.1\r\n");
    if !headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("host"))
    {
        request.push_str(&format!("host: 127.0.0.1:{port}\r\n"));
    }
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
    stream.write_all(request.as_bytes())?;
    read(&mut BufReader::new(stream))
}

/// [`exchange_now`] on a thread of its own, so that other tasks go on.
pub(crate) async fn exchange(
    port: u16,
    line: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> io::Result<Response> {
    let (line, body) = (line.to_owned(), body.to_owned());
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let headers: Vec<(String, String)> = headers.iter().map(owned).collect();
    let work = move || {
        let borrowed = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        exchange_now(port, &line, &borrowed.collect::<Vec<_>>(), &body)
    };
    tokio::task::spawn_blocking(work).await.unwrap()
}

fn read(from: &mut BufReader<TcpStream>) -> io::Result<Response> {
    let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut line = String::new();
    from.read_line(&mut line)?;
    let status = line
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let mut response = Response {
        status: status.ok_or_else(|| bad("no status line"))?,
        headers: Vec::new(),
        body: String::new(),
    };
    loop {
        line.clear();
        from.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        let field = (name.to_ascii_lowercase(), value.trim().to_owned());
        response.headers.push(field);
    }
    let length = response.header("content-length").map(str::parse);
    let length: u64 = match length {
        Some(length) => length.map_err(|_| bad("content-length is not a number"))?,
        None => 0,
    };
    from.take(length).read_to_string(&mut response.body)?;
    Ok(response)
}
