// A POST that the page's scripts make by themselves, with the CSRF token; `fields` as URLSearchParams takes them.
// Throws where there is no connection.
const csrf = document.querySelector('meta[name="csrf-token"]').content;

export async function post(url, fields) {
  const response = await fetch(`${url}${location.search}`, {
    method: "POST",
    headers: { "X-CSRFToken": csrf },
    body: new URLSearchParams(fields),
  });
  const body = await response.json().catch(() => ({}));
  return { ok: response.ok && !response.redirected, status: response.status, body }; // redirected: to the login
}
