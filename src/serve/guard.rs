//! Who may ask: this machine's own pages, or who knows the token. Everybody else is told why not.

use std::{
    fs::File,
    io::{self, Read},
    net::SocketAddr,
    sync::Arc,
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

/// What those must know who ask from elsewhere: 128 random bits in hex.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// A new one.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub fn new() -> io::Result<Self> {
        let mut bytes = [0; 16];
        File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        Ok(Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// As it stands in an address.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Compares in a time that does not tell how much is right.
    fn is(&self, other: &str) -> bool {
        let differing = self.0.bytes().zip(other.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
        self.0.len() == other.len() && differing == 0
    }
}

/// The rules of admission.
pub struct Guard {
    token: Option<Token>,
    /// Cookies are shared by all ports of a host.
    cookie: String,
}

/// What becomes of a request.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Admitted,
    /// The token was in the address: it moves to a cookie, and the address is asked for again without it.
    GivesToken,
    Refused(StatusCode, &'static str),
}

impl Guard {
    /// With a token any host name will do, without one only names of this machine.
    pub fn new(address: SocketAddr, token: Option<Token>) -> Arc<Self> {
        Arc::new(Self { token, cookie: format!("sweepscope-{}", address.port()) })
    }

    fn judge(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Verdict {
        use Verdict::{Admitted, GivesToken, Refused};
        if method != Method::GET && method != Method::HEAD {
            return Refused(
                StatusCode::METHOD_NOT_ALLOWED,
                "this page can only be read: GET and HEAD alone are answered",
            );
        }
        let Some(host) = text(headers, header::HOST) else {
            return Refused(StatusCode::BAD_REQUEST, "the request names no host");
        };
        // A page elsewhere whose name was made to point here (DNS rebinding) still sends its own name.
        if self.token.is_none() && !is_this_machine(host) {
            return Refused(StatusCode::FORBIDDEN, "ask for localhost, 127.0.0.1 or [::1]");
        }
        if is_from_elsewhere(headers, host) {
            return Refused(StatusCode::FORBIDDEN, "pages of other origins are not answered");
        }
        let Some(token) = &self.token else { return Admitted };
        if query(uri, "token").is_some_and(|given| token.is(given)) {
            GivesToken
        } else if self.tokens(headers).any(|given| token.is(given)) {
            Admitted
        } else {
            Refused(StatusCode::FORBIDDEN, "open the address that `sweepscope serve` printed, with its token")
        }
    }

    /// Those in the cookie and in `Authorization: Bearer`.
    fn tokens<'a>(&'a self, headers: &'a HeaderMap) -> impl Iterator<Item = &'a str> {
        let cookies = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
        let pairs = cookies.flat_map(|all| all.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
        let bearer = text(headers, header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
        pairs.filter(|(name, _)| *name == self.cookie).map(|(_, value)| value).chain(bearer)
    }

    fn take_token(&self, uri: &Uri) -> Response {
        let token = self.token.as_ref().map_or("", Token::text);
        let cookie = format!("{}={token}; HttpOnly; SameSite=Strict; Path=/", self.cookie);
        // Relative, so that it holds behind whatever forwards to this port.
        let place = format!("./{}", uri.path().rsplit('/').next().unwrap_or_default());
        (StatusCode::SEE_OTHER, [(header::SET_COOKIE, cookie), (header::LOCATION, place)]).into_response()
    }
}

/// Answers only those who may ask, and sets the headers that keep browsers careful.
pub async fn watch(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let mut response = match guard.judge(request.method(), request.uri(), request.headers()) {
        Verdict::Admitted => next.run(request).await,
        Verdict::GivesToken => guard.take_token(request.uri()),
        Verdict::Refused(code, why) => (code, format!("{why}\n")).into_response(),
    };
    let set = [
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    for (name, value) in set {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Nothing but this server's own script runs, and nothing is fetched from elsewhere.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// The host without its port.
fn is_this_machine(host: &str) -> bool {
    let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    let name = name.map_or(host, |(name, _)| name);
    ["localhost", "127.0.0.1", "[::1]"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// A link from elsewhere may be followed; a page elsewhere may not read, nor show what is here as its own.
fn is_from_elsewhere(headers: &HeaderMap, host: &str) -> bool {
    let origin = headers.get(header::ORIGIN);
    let own = [format!("http://{host}"), format!("https://{host}")];
    if origin.is_some_and(|origin| own.iter().all(|own| !origin.as_bytes().eq_ignore_ascii_case(own.as_bytes()))) {
        return true;
    }
    let fetch = |name: &str| headers.get(name).map(HeaderValue::as_bytes);
    let is_own = matches!(fetch("sec-fetch-site"), None | Some(b"same-origin" | b"none"));
    let is_link = fetch("sec-fetch-mode") == Some(b"navigate") && fetch("sec-fetch-dest") == Some(b"document");
    !is_own && !is_link
}

fn query<'a>(uri: &'a Uri, key: &str) -> Option<&'a str> {
    uri.query()?
        .split('&')
        .find_map(|pair| pair.split_once('=').filter(|(name, _)| *name == key).map(|(_, value)| value))
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn judged(guard: &Guard, method: Method, uri: &str, headers: &[(&str, &str)]) -> Option<u16> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(header::HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        match guard.judge(&method, &uri.parse().unwrap(), &map) {
            Verdict::Admitted => None,
            Verdict::GivesToken => Some(303),
            Verdict::Refused(code, _) => Some(code.as_u16()),
        }
    }

    #[test]
    fn on_this_machine_only_its_own_names_and_origins_are_answered() {
        let guard = Guard::new("127.0.0.1:80".parse().unwrap(), None);
        let get = |headers: &[(&str, &str)]| judged(&guard, Method::GET, "/", headers);
        for host in ["localhost", "LocalHost:9000", "127.0.0.1:80", "[::1]:80", "[::1]"] {
            assert_eq!(get(&[("host", host)]), None, "{host}");
        }
        for host in ["", "evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.evil.example", "[::2]"]
        {
            assert_eq!(get(&[("host", host)]), Some(403), "{host}");
        }
        assert_eq!(get(&[]), Some(400));
        let host = ("host", "localhost:9000");
        assert_eq!(get(&[host, ("origin", "http://localhost:9000")]), None);
        for origin in ["http://evil.example", "null", "http://localhost:9001", "file://"] {
            assert_eq!(get(&[host, ("origin", origin)]), Some(403), "{origin}");
        }
        assert_eq!(get(&[host, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")]), Some(403));
        let link =
            [host, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
        assert_eq!(get(&link), None);
        let frame =
            [host, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")];
        assert_eq!(get(&frame), Some(403));
        assert_eq!(judged(&guard, Method::POST, "/", &[host]), Some(405));
    }

    #[test]
    fn from_elsewhere_only_those_are_answered_who_know_the_token() {
        let token = Token::new().unwrap();
        let guard = Guard::new("10.0.0.1:8642".parse().unwrap(), Some(token.clone()));
        let right = token.text();
        let host = ("host", "lab.example:8642");
        let get = |uri: &str, more: &[(&str, &str)]| judged(&guard, Method::GET, uri, &[&[host], more].concat());
        assert_eq!(get("/", &[]), Some(403));
        assert_eq!(get("/?token=0", &[]), Some(403));
        assert_eq!(get(&format!("/?token={right}"), &[]), Some(303));
        assert_eq!(get("/", &[("cookie", &format!("a=b; sweepscope-8642={right}"))]), None);
        assert_eq!(get("/", &[("cookie", &format!("sweepscope-8643={right}"))]), Some(403));
        assert_eq!(get("/", &[("cookie", &format!("sweepscope-8642={}0", &right[1..]))]), Some(403));
        assert_eq!(get("/", &[("authorization", &format!("Bearer {right}"))]), None);
        let other = [("authorization", &*format!("Bearer {right}")), ("origin", "http://evil.example")];
        assert_eq!(get("/", &other), Some(403));
    }
}
