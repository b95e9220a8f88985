//! Serves the simulators on loopback:
//! `cargo run -p local-aws --example serve -- [EC2-PORT [SNS-PORT [ORGANIZATIONS-PORT [EVENTS-PORT [SECRETS-PORT]]]]]`.
//! Port 0, the default, takes a free one. The addresses are printed; Ctrl-C ends it.

use std::error::Error;
use std::io::Write;

use local_aws::{
    Ec2, Ec2Config, Events, EventsConfig, Message, NewOrganization, NewOu, Organizations,
    OrganizationsConfig, Secrets, SecretsConfig, Sns, SnsConfig,
};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut ports = std::env::args().skip(1);
    let mut listeners = Vec::new();
    for name in ["ec2", "sns", "organizations", "events", "secrets"] {
        let port = ports.next().map_or(Ok(0), |port| port.parse::<u16>())?;
        listeners.push((name, TcpListener::bind(("127.0.0.1", port)).await?));
    }
    let sns = Sns::new(SnsConfig::default());
    for (name, listener) in &listeners {
        let url = format!("http://{}", listener.local_addr()?);
        writeln!(std::io::stdout(), "{name} {url}")?;
        if *name == "sns" {
            // The links in its mails lead there.
            sns.set_base_url(url);
        }
    }

    let ec2 = Ec2::new(Ec2Config::default());
    let organizations = Organizations::new(OrganizationsConfig::default());
    let events = Events::new(EventsConfig::default());
    let secrets = Secrets::new(SecretsConfig::default());

    // What connects the two: EC2 publishes its connection notifications.
    let (sink, mut notifications) = mpsc::unbounded_channel();
    ec2.set_notification_sink(sink);
    let publisher = sns.clone();
    tokio::spawn(async move {
        while let Some(notification) = notifications.recv().await {
            // A topic that is not there any more loses the message, as at AWS.
            let _ = publisher.publish(&notification.topic_arn, &Message::new(notification.body));
        }
    });

    // No call makes an organization: account 012345678901 is in an OU below another.
    let organization = NewOrganization::new().id("o-a1b2c3d4e5").root("r-ab12");
    organizations.put_organization(organization)?;
    let ou = NewOu::new("r-ab12").id("ou-ab12-11111111");
    let ou = NewOu::new(organizations.put_ou(ou)?).id("ou-ab12-22222222");
    organizations.put_account("012345678901", &organizations.put_ou(ou)?)?;

    // Nor does one make a secret.
    secrets.put_secret("example/secret", "the old value")?;
    secrets.rotate("example/secret", "the new value")?;

    let routers = [
        ec2.router(),
        sns.router(),
        organizations.router(),
        events.router(),
        secrets.router(),
    ];
    let servers = listeners
        .into_iter()
        .zip(routers)
        .map(|((_, listener), router)| local_aws::serve(listener, router, stop()));
    futures_util::future::try_join_all(servers).await?;
    Ok(())
}

async fn stop() {
    // Without a signal handler, better serve on than stop at once.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
