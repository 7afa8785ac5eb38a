//! What an administrator does with curl.

use anyhow::{Context, ensure};
use reqwest::{Client, Method};
use serde_json::Value;

/// A client of the demo's own control plane, over HTTP like any other.
pub(super) struct Api {
    client: Client,
    base: String,
    key: String,
}

impl Api {
    pub(super) fn new(url: &str, key: &str) -> anyhow::Result<Self> {
        // Loopback: a proxy of the environment would lead elsewhere.
        let client = Client::builder().no_proxy().build()?;
        Ok(Self { client, base: format!("{url}/api/v1"), key: key.to_owned() })
    }

    /// `GET`, which must succeed.
    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let (status, body) = self.send(Method::GET, path, None).await?;
        ensure!(status == 200, "GET {path}: {status} {body}");
        Ok(body)
    }

    /// `POST`, and what came of it.
    pub(super) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<(u16, Value)> {
        self.send(Method::POST, path, Some(body)).await
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<(u16, Value)> {
        let request = self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&self.key);
        let request = match body {
            Some(body) => request.header("Content-Type", "application/json").body(body.to_string()),
            None => request,
        };
        let response = request.send().await.with_context(|| format!("{path} was not answered"))?;
        let status = response.status().as_u16();
        let text = response.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }
}
