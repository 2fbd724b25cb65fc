// What of ours is under way: cards whose move is being saved, and changes whose echo the live stream will bring back.
const ECHO = 3000; // ms

export const sending = new Set(); // deal ids
const echoes = new Map(); // deal id -> until when its next hint is our own

export const expectEcho = (dealId) => echoes.set(dealId, Date.now() + ECHO);

export function isEcho(dealId) {
  const until = echoes.get(dealId) ?? 0;
  echoes.delete(dealId);
  return until > Date.now();
}
