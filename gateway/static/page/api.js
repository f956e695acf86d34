// Calls of /api/v1. The token stays in memory, and goes with what is the user's own alone.

// -> {data} or {error: {code, message}}
export async function call(method, path, token = null, body = null) {
  const headers = {};
  if (token !== null) headers.Authorization = `Bearer ${token}`;
  if (body !== null) headers["Content-Type"] = "application/json";
  try {
    const response = await fetch(path, { method, headers, body: body === null ? null : JSON.stringify(body) });
    return await response.json();
  } catch {
    return { error: { code: "unreachable", message: "the venue does not answer" } };
  }
}

export const get = (path, token = null) => call("GET", path, token);
