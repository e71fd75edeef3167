"""The requests of the workloads, as bytes."""

BROWSER = (
    "Connection: keep-alive\r\n"
    'sec-ch-ua: "Chromium";v="130", "Google Chrome";v="130", "Not?A_Brand";v="99"\r\n'
    "sec-ch-ua-mobile: ?0\r\n"
    'sec-ch-ua-platform: "Linux"\r\n'
    "Upgrade-Insecure-Requests: 1\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8\r\n"
    "Sec-Fetch-Site: none\r\n"
    "Sec-Fetch-Mode: navigate\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n"
    "Cookie: theme=dark; session=0123456789abcdef0123456789abcdef\r\n")
FORM = "name=" + "n" * 500 + "&text=" + "t" * 512


def request(target, fields="", method="GET", body=""):
    if body:
        fields += f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n"
    return f"{method} {target} HTTP/1.1\r\nHost: localhost:8888\r\n{fields}\r\n{body}".encode()


REQUESTS = {
    "plain": request("/plaintext"),
    "browser": request("/plaintext", BROWSER),
    "json": request("/json"),
    "route": request("/hello/4711"),
    "regex": request("/greet-waterspout"),
    "form": request("/form", method="POST", body=FORM),
    "1k": request("/static/1k.txt"),
    "100k": request("/static/100k.txt"),
    "10m": request("/static/10m.txt"),
}
