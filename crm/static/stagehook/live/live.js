// Follows the server's live stream. A hidden tab closes its stream (browsers allow six per server) and catches up when
// it is shown again. Where the stream cannot be had, the page is told to look again every 10 s (`missed(true)`: not all
// at once with the others).
const GIVE_UP = 5000; // ms without a hello
const POLL = 10000;

export function follow({ url, since, touched, missed, numbers = () => {}, bolts = () => {}, state = () => {} }) {
  let source = null;
  let last = since;
  let silence = 0;
  let polling = 0;

  function open() {
    close();
    source = new EventSource(`${url}&since=${last}`);
    silence = setTimeout(poll, GIVE_UP);
    source.addEventListener("hello", () => {
      stopPolling();
      state("live");
    });
    source.addEventListener("touched", (event) => {
      last = event.lastEventId;
      touched(JSON.parse(event.data));
    });
    source.addEventListener("numbers", (event) => numbers(JSON.parse(event.data)));
    source.addEventListener("bolts", (event) => bolts(JSON.parse(event.data)));
    source.addEventListener("missed", (event) => {
      last = event.lastEventId;
      missed();
    });
    source.addEventListener("error", () => {
      if (!silence) silence = setTimeout(poll, GIVE_UP);
    });
  }

  function close() {
    source?.close();
    stopPolling();
  }

  function stopPolling() {
    clearTimeout(silence);
    clearInterval(polling);
    silence = polling = 0;
  }

  function poll() {
    state("polling");
    clearInterval(polling);
    polling = setInterval(() => {
      missed(true);
      if (source.readyState === EventSource.CLOSED) open();
    }, POLL);
  }

  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  addEventListener("pagehide", close);
  if (!document.hidden) open();
}
