//! Files of the visitor: forms of real clients, and what is refused before a chat is asked.

use axum::body::Body;
use http::Request;
use liveagent_bridge::facade::key::KeyRing;

use super::{after, chat, now};
use crate::stage::{Got, SECRET, Stage};

fn token(minutes: i64) -> String {
    let until = now().plus_millis(minutes * 60_000);
    KeyRing::single(SECRET).file_token("acme", chat(), until)
}

/// Parts as (name, more of the disposition, type, content).
fn form(parts: &[(&str, &str, &str, &str)]) -> String {
    let part = |(name, more, kind, content): &(&str, &str, &str, &str)| {
        let kind = match kind.is_empty() {
            true => String::new(),
            false => format!("Content-Type: {kind}\r\n"),
        };
        format!(
            "--XX\r\nContent-Disposition: form-data; name=\"{name}\"{more}\r\n{kind}\r\n{content}\r\n"
        )
    };
    parts.iter().map(part).collect::<String>() + "--XX--\r\n"
}

async fn upload(stage: &Stage, chat_key: &str, token: &str, body: &str) -> Got {
    let query = format!("orgId=00D&chatKey={chat_key}&fileToken={token}&encoding=UTF-8");
    let request = Request::post(format!("/chat/upload?{query}"))
        .header("host", "acme.example.test")
        .header("content-type", "multipart/form-data; boundary=XX")
        .header("referer", "https://example.invalid/d/cdm");
    stage.send(request.body(Body::from(body.to_owned())).unwrap()).await
}

#[tokio::test]
async fn the_forms_of_three_clients_reach_the_chat() {
    let stage = after();
    *stage.files.takes.lock().unwrap() = true;
    let png = "; filename=\"12 Mar 2024 10:00:00 +0000.png\"";
    let ibm = form(&[("file", "; filename=\"C:\\a\\photo.PNG\"", "image/png", "PNG")]);
    let hrk = form(&[("filename", "", "", "x.png"), ("file", png, "", "PNG")]);
    let android = form(&[
        ("orgId", "", "", "00D"),
        ("chatKey", "", "", "k"),
        ("fileToken", "", "", "t"),
        ("encoding", "", "", "UTF-8"),
        ("file", png, "application/octet-stream", "PNG"),
    ]);
    for (body, key) in
        [(ibm, chat().to_string()), (hrk, format!("{}!1!x", chat())), (android, chat().to_string())]
    {
        let got = upload(&stage, &key, &token(5), &body).await;
        assert_eq!((got.status.as_u16(), &*got.text), (200, "Success"), "{body}");
        assert_eq!(got.headers["content-type"], "text/plain");
    }
    let taken = stage.files.taken.lock().unwrap();
    assert_eq!(taken.len(), 3);
    for (of, file) in &*taken {
        assert_eq!((of, &*file.kind, &file.bytes[..]), (&chat(), "image/png", &b"PNG"[..]));
        assert!(!file.name.contains('\\') && file.name.to_lowercase().ends_with(".png"));
    }
}

#[tokio::test]
async fn without_a_chat_that_takes_files_the_answer_is_failure() {
    let stage = after();
    let body = form(&[("file", "; filename=\"a.pdf\"", "application/pdf", "PDF")]);
    let got = upload(&stage, &chat().to_string(), &token(5), &body).await;
    assert_eq!((got.status.as_u16(), &*got.text), (200, "Failure"));
}

#[tokio::test]
async fn what_is_no_good_is_refused_before_a_chat_is_asked() {
    let stage = after();
    let (key, good) = (chat().to_string(), token(5));
    let file = |name: &str, kind: &str, content: &str| {
        form(&[("file", &format!("; filename=\"{name}\""), kind, content)])
    };
    let pdf = file("a.pdf", "", "PDF");
    let other = uuid::Uuid::from_u128(2).to_string();
    let large = "a".repeat(5_000_001);
    let many: Vec<_> = std::iter::repeat_n(("x", "", "", "y"), 20).collect();
    for (key, token, body, status) in [
        (&*key, &*token(0), &*pdf, 403),
        (&other, &good, &pdf, 403),
        ("nobody", &good, &pdf, 403),
        (&key, "1636522046000", &pdf, 403),
        (&key, "", &pdf, 403),
        (&key, &good, &file("a.exe", "", "MZ"), 415),
        (&key, &good, &file("a.png", "text/html", "<b>"), 415),
        (&key, &good, &file("a", "application/octet-stream", "?"), 415),
        (&key, &good, &file("a.txt", "", ""), 400),
        (&key, &good, &file("a.txt", "", &large), 413),
        (&key, &good, &form(&[("x", "", "", &"y".repeat(70_000))]), 413),
        (&key, &good, &form(&many), 400),
        (&key, &good, &form(&[("other", "", "", "x")]), 400),
        (&key, &good, "--XX\r\nbroken", 400),
        (&key, &good, "", 400),
    ] {
        let got = upload(&stage, key, token, body).await;
        let shown = &body[..body.len().min(100)];
        assert_eq!((got.status.as_u16(), &*got.text), (status, "Failure"), "{token} {shown}");
    }
    let plain = Request::post(format!("/chat/upload?chatKey={key}&fileToken={good}"));
    let plain = plain.header("host", "acme.example.test").body(Body::from("x")).unwrap();
    assert_eq!(stage.send(plain).await.status, 400);
    let got = stage.get(&format!("/chat/upload?chatKey={key}"), None).await;
    assert_eq!((got.status.as_u16(), got.headers["allow"].to_str().unwrap()), (405, "POST"));
    assert!(stage.files.taken.lock().unwrap().is_empty());
}
