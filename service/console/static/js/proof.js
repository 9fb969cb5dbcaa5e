// A person's own proof, made here: the secret never leaves this page. See docs/kill.md and service/gateway/proofs.py.

import { get } from "./api.js";

const utf8 = new TextEncoder();
const fromBase64 = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const toBase64 = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes)));
const hex = (bytes) => [...new Uint8Array(bytes)].map((b) => b.toString(16).padStart(2, "0")).join("");
// The bytes that go before the seed of an Ed25519 key in PKCS #8 (RFC 8410).
const PKCS8 = Uint8Array.from([0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20]);

export async function prove(person, secret, { kind, proposal = "", action, target = "", text = "", reason = "" }) {
  const { number, salt, rounds } = await get(`/api/gateway/challenge?person=${encodeURIComponent(person)}`);
  const base = await crypto.subtle.importKey("raw", utf8.encode(secret), "PBKDF2", false, ["deriveBits"]);
  const seed = await crypto.subtle.deriveBits({ name: "PBKDF2", hash: "SHA-256", salt: fromBase64(salt), iterations: rounds }, base, 256);
  const pkcs8 = new Uint8Array([...PKCS8, ...new Uint8Array(seed)]);
  const key = await crypto.subtle.importKey("pkcs8", pkcs8, { name: "Ed25519" }, false, ["sign"]);
  const digest = hex(await crypto.subtle.digest("SHA-256", utf8.encode(text)));
  const parts = ["slipstream proof 1", number, kind, proposal, action, target, digest, reason];
  const signed = parts.map((part) => `${utf8.encode(part).length}:${part}\n`).join("");
  return { person, number, proof: toBase64(await crypto.subtle.sign("Ed25519", key, utf8.encode(signed))) };
}
