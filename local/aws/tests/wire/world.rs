//! A world of its own for each test, and a client of 40 lines.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use local_aws::{
    Config, Ec2, Events, ManualClock, NewConnection, NewService, Organizations, Secrets, Slack,
    SlackConfig, Sns, State,
};
use serde_json::Value;
use tokio::sync::oneshot;

pub(crate) const PROVIDER: &str = "123456789012";
pub(crate) const CONSUMER: &str = "012345678901";
pub(crate) const OTHER: &str = "444455556666";
pub(crate) const NO_SERVICE: &str = "vpce-svc-0aaaaaaaaaaaaaaaa";
pub(crate) const NO_ENDPOINT: &str = "vpce-0aaaaaaaaaaaaaaaa";

pub(crate) const BOT_TOKEN: &str = "xoxb-the-bots-token";
pub(crate) const SIGNING_SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

pub(crate) const ACCEPT: &str = "AcceptVpcEndpointConnections";
pub(crate) const REJECT: &str = "RejectVpcEndpointConnections";
pub(crate) const DESCRIBE: &str = "DescribeVpcEndpointConnections";

/// All simulators behind one server, on a thread of its own; `/ec2`, `/sns` and so on are their prefixes.
pub(crate) struct World {
    pub(crate) clock: ManualClock,
    pub(crate) ec2: Ec2,
    pub(crate) sns: Sns,
    pub(crate) organizations: Organizations,
    pub(crate) events: Events,
    pub(crate) secrets: Secrets,
    pub(crate) slack: Slack,
    address: SocketAddr,
    /// How long the client waits for an answer.
    pub(crate) read_timeout: Duration,
    server: Mutex<Option<Server>>,
}

type Server = (oneshot::Sender<()>, JoinHandle<io::Result<()>>);

impl World {
    pub(crate) fn new() -> Self {
        let clock = ManualClock::default();
        let config = |seed| Config {
            clock: clock.clock(),
            seed: Some(seed),
            ..Config::default()
        };
        let ec2 = Ec2::new(config(1));
        let sns = Sns::new(config(2));
        let organizations = Organizations::new(config(3));
        let events = Events::new(config(4));
        let secrets = Secrets::new(config(5));
        let slack = Slack::new(SlackConfig {
            clock: clock.clock(),
            seed: Some(6),
            bot_token: BOT_TOKEN.to_owned(),
            signing_secret: SIGNING_SECRET.to_owned(),
            ..SlackConfig::default()
        });
        let app = Router::new()
            .nest_service("/ec2", ec2.router())
            .nest_service("/sns", sns.router())
            .nest_service("/organizations", organizations.router())
            .nest_service("/events", events.router())
            .nest_service("/secrets", secrets.router())
            .nest_service("/slack", slack.router());
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, address) = std::sync::mpsc::channel();
        let server = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
                ready.send(listener.local_addr()?).unwrap();
                let stop = async {
                    let _ = stopped.await;
                };
                local_aws::serve(listener, app, stop).await
            })
        });
        let world = Self {
            clock,
            ec2,
            sns,
            organizations,
            events,
            secrets,
            slack,
            address: address.recv().unwrap(),
            read_timeout: Duration::from_secs(60),
            server: Mutex::new(Some((stop, server))),
        };
        world.slack.set_base_url(world.slack_url());
        world
    }

    /// Stops the server and waits for it.
    pub(crate) fn stop(&self) {
        let server = self.server.lock().unwrap().take();
        if let Some((stop, server)) = server {
            let _ = stop.send(());
            server.join().unwrap().unwrap();
        }
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// A service of the provider's that the consumer may use, and `n` connections that wait.
    pub(crate) fn service(&self, n: usize) -> (String, Vec<String>) {
        let service = self
            .ec2
            .put_service(NewService::new().allow_account(CONSUMER))
            .id;
        let ids = (0..n)
            .map(|_| self.connect(NewConnection::new(&service, CONSUMER)))
            .collect();
        (service, ids)
    }

    pub(crate) fn connect(&self, new: NewConnection) -> String {
        self.ec2.put_connection(new).unwrap().endpoint_id
    }

    pub(crate) fn state(&self, endpoint: &str) -> State {
        self.ec2.state(endpoint).unwrap()
    }

    /// As the provider, in us-east-1.
    pub(crate) fn ec2(&self, action: &str, params: &[(&str, &str)]) -> Answer {
        self.ec2_as("AKIAPROVIDER", "us-east-1", action, params)
    }

    pub(crate) fn ec2_as(
        &self,
        key: &str,
        region: &str,
        action: &str,
        params: &[(&str, &str)],
    ) -> Answer {
        self.post("/ec2", key, region, action, params).unwrap()
    }

    pub(crate) fn sns(&self, action: &str, params: &[(&str, &str)]) -> Answer {
        self.post("/sns/", "AKIAPROVIDER", "us-east-1", action, params)
            .unwrap()
    }

    /// Accepts or rejects.
    pub(crate) fn decide(&self, action: &str, service: &str, endpoints: &[&str]) -> Answer {
        let names: Vec<String> = (1..=endpoints.len())
            .map(|n| format!("VpcEndpointId.{n}"))
            .collect();
        let mut params = vec![("ServiceId", service)];
        params.extend(
            names
                .iter()
                .map(String::as_str)
                .zip(endpoints.iter().copied()),
        );
        self.ec2(action, &params)
    }

    /// The endpoint ids that `DescribeVpcEndpointConnections` lists with these filters (`name`, `value,value`).
    pub(crate) fn list(&self, filters: &[(&str, &str)]) -> Answer {
        let mut params = Vec::new();
        for ((name, values), n) in filters.iter().zip(1..) {
            params.push((format!("Filter.{n}.Name"), *name));
            for (value, m) in values.split(',').zip(1..) {
                params.push((format!("Filter.{n}.Value.{m}"), value));
            }
        }
        let params: Vec<(&str, &str)> = params
            .iter()
            .map(|(key, value)| (key.as_str(), *value))
            .collect();
        self.ec2(DESCRIBE, &params)
    }

    pub(crate) fn post(
        &self,
        path: &str,
        key: &str,
        region: &str,
        action: &str,
        params: &[(&str, &str)],
    ) -> io::Result<Answer> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("Action", action)
            .append_pair("Version", "x")
            .extend_pairs(params);
        let form = form.finish();
        let kind = "Content-Type: application/x-www-form-urlencoded; charset=utf-8";
        self.send(path, key, region, kind, &form)
    }

    /// A call of the JSON protocol.
    pub(crate) fn post_json(
        &self,
        path: &str,
        key: &str,
        region: &str,
        target: &str,
        body: &str,
    ) -> io::Result<JsonAnswer> {
        let kind = format!("Content-Type: application/x-amz-json-1.1\r\nX-Amz-Target: {target}");
        let answer = self.send(path, key, region, &kind, body)?;
        Ok(JsonAnswer {
            status: answer.status,
            body: serde_json::from_str(&answer.body)?,
        })
    }

    fn send(
        &self,
        path: &str,
        key: &str,
        region: &str,
        kind: &str,
        body: &str,
    ) -> io::Result<Answer> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n{kind}\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential={key}/20260101/{region}/x/aws4_request, SignedHeaders=host, \
             Signature=0\r\n",
            body.len()
        );
        self.exchange(&format!("{head}\r\n{body}"))
    }

    /// Where Slack is.
    pub(crate) fn slack_url(&self) -> String {
        format!("http://{}/slack", self.address)
    }

    /// A call of the app's to Slack: a method under `/api/`, or an absolute URL, with the token or without.
    pub(crate) fn post_slack(
        &self,
        target: &str,
        token: Option<&str>,
        kind: &str,
        body: &str,
    ) -> io::Result<Answer> {
        let path = match target.strip_prefix(&format!("http://{}", self.address)) {
            Some(path) => path.to_owned(),
            None => format!("/slack/api/{target}"),
        };
        let token = token.map_or_else(String::new, |token| {
            format!("Authorization: Bearer {token}\r\n")
        });
        self.exchange(&format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\
             Content-Type: {kind}\r\n{token}\r\n{body}",
            body.len()
        ))
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.exchange(&format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        ))
        .unwrap()
    }

    fn exchange(&self, request: &str) -> io::Result<Answer> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(self.read_timeout))?;
        stream.write_all(request.as_bytes())?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let (head, body) = text
            .split_once("\r\n\r\n")
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        let expected = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        if expected.is_some_and(|expected| expected != body.len().to_string()) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        Ok(Answer {
            status: status.unwrap(),
            head: head.to_owned(),
            body: body.to_owned(),
        })
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop();
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    /// The texts of all elements of this name, in order.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        let (start, end) = (format!("<{name}>"), format!("</{name}>"));
        let parts = self.body.split(&start).skip(1);
        let texts = parts.map(|part| part.split(&end).next().unwrap());
        texts
            .map(|text| {
                let text = text
                    .replace("&lt;", "<")
                    .replace("&gt;", ">")
                    .replace("&quot;", "\"");
                text.replace("&apos;", "'").replace("&amp;", "&")
            })
            .collect()
    }

    /// The header of this name, in lower case, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let header = lines.find(|(key, _)| *key == name);
        header.map(|(_, value)| value).unwrap_or_default()
    }

    /// The first of them, or nothing.
    pub(crate) fn one(&self, name: &str) -> String {
        self.all(name).into_iter().next().unwrap_or_default()
    }

    /// The status and the code of an error; of a success, 200 and the codes of the items that failed.
    pub(crate) fn outcome(&self) -> (u16, String) {
        let codes = if self.status == 200 {
            self.all("code")
        } else {
            self.all("Code")
        };
        (self.status, codes.join(","))
    }

    pub(crate) fn endpoints(&self) -> Vec<String> {
        assert_eq!(self.status, 200, "{}", self.body);
        self.all("vpcEndpointId")
    }
}

/// An answer of the JSON protocol.
#[derive(Debug)]
pub(crate) struct JsonAnswer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl JsonAnswer {
    /// The status and the code of an error; of a success, 200 and nothing.
    pub(crate) fn outcome(&self) -> (u16, String) {
        let code = self.body["__type"].as_str().unwrap_or_default();
        (self.status, code.to_owned())
    }
}
