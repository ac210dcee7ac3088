/** An HTTP answer as text, for connections that no request of the server's stands behind. */
import { STATUS_CODES } from 'node:http';

/** The whole answer; it is the connection's last. */
export function rawAnswer(status: number, body: object): string {
  const text = JSON.stringify(body);
  const headers = `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\nConnection: close\r\n`;
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${headers}\r\n${text}`;
}
