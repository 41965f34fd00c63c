// Owns the live mode: listens where the server pushes, else asks right after it has looked at the store, half as
// often when all is quiet. Morphs what changed, says when it cannot.
(() => {
  const region = document.getElementById("live");
  const pill = document.getElementById("live-pill");
  const strip = document.getElementById("offline");
  if (!region || !window.htmx) return;

  // The server looks every 600 ms, and tells with each answer how long it is until the next look is over.
  const EVERY = 600, QUIET = 30000;
  const RETRY = 2000, GONE = 5000, LATE = 4000, LOST = 10000, MARK = 2000, SPEAK = 10000;
  const STEADY = 10000, LEAST = 5000, MOST = 60000; // of streams: lasted for long, pauses before the next
  const SWAP = { swapStyle: "morph:innerHTML", swapDelay: 0, settleDelay: 20 };
  const { age, reveal, relative, rows, say } = window.statestore;
  let paused = false, ended = false, gone = false, lost = false, asking = false, timer = 0;
  let fresh = Date.now(); // when the server last said that this is how things are
  let asked = 0; // when it was asked last
  let busy = false; // whether it said last that it could not look
  let on = Date.now(); // since when it is asked, without a pause
  let moved = Date.now(); // when something changed, or the person did something
  let spoke = 0;
  let news = ""; // what is to be said of the connection
  let next = EVERY; // ms from the last answer to the next look
  const marks = new Map(); // element id -> until when it is marked as changed

  // --- asking ---
  const cursor = () => document.getElementById("live-body")?.dataset.cursor ?? "";
  const ask = () => {
    clearTimeout(timer);
    if (paused || ended || asking || stream || document.hidden) return;
    if (mayListen()) listen(); else poll();
  };
  const poll = () => {
    asking = true;
    asked = Date.now();
    htmx.trigger(region, "live:poll");
  };
  const quiet = () => Date.now() - moved > QUIET;
  const acted = () => {
    const slow = quiet();
    moved = Date.now();
    if (slow && !lost && !gone) later(EVERY);
  };
  const later = (wait) => { clearTimeout(timer); timer = setTimeout(ask, wait); };

  region.addEventListener("htmx:configRequest", (event) => {
    event.detail.parameters.cursor = cursor();
  });
  region.addEventListener("htmx:afterRequest", (event) => {
    asking = false;
    const status = event.detail.xhr?.status ?? 0;
    const header = (name) => event.detail.xhr?.getResponseHeader(name);
    if (status === 200) moved = Date.now();
    busy = status === 204 && !!header("Statestore-Busy");
    if (busy) {} // nobody has looked: the age goes on
    else if (status === 200 || status === 204) found();
    else if (status === 401) end("You are signed out.", "Sign in again", signIn());
    else if (status === 403) end("Your account may not view task state any more.", "Reload", location.href);
    else if (status === 404) miss();
    else lose();
    count(header("Statestore-Secrets"));
    next = Number(header("Statestore-Ask-Again")) || EVERY;
    const wait = gone ? GONE : lost && !busy ? RETRY * (0.75 + Math.random() / 2) : quiet() ? next + EVERY : next;
    later(mayListen() ? 0 : wait);
  });
  const signIn = () => `${region.dataset.login}?next=${encodeURIComponent(location.pathname + location.search)}`;
  const found = () => {
    if (lost || gone) news = "Live updates are back.";
    lost = gone = false;
    fresh = Date.now();
    show();
  };
  const lose = () => {
    if (!lost) news = "Live updates are lost.";
    lost = true;
    gone = false;
    show();
  };
  // Workers delete what they write again: it may come back.
  const miss = () => {
    if (!gone) tell("What this page shows is not there any more.", "Go to Live", document.querySelector(".brand").href);
    gone = true;
    lost = false;
    show();
  };
  // Whatever is answered: a server that cannot look says nothing new for long.
  const looksAway = () => paused || ended || gone || document.hidden;
  const check = () => {
    if (stream && Date.now() - heardOf > LATE) drop();
    if (lost || looksAway()) return;
    const silent = asking && Date.now() - Math.max(asked, on) > LATE;
    if (silent || Date.now() - Math.max(fresh, on) > LOST) lose();
  };
  const goOn = () => { on = Date.now(); ask(); };
  const end = (words, action, href) => {
    ended = true;
    tell(words, action, href);
    show();
  };
  const tell = (words, action, href) => {
    const link = Object.assign(document.createElement("a"), { textContent: action, href });
    strip.querySelector("[data-lost]").replaceChildren(`${words} Showing values from ${clock()}. `, link);
    strip.hidden = false;
    news = words;
  };

  // --- listening: a stream of events takes the place of the polls ---
  // Whatever is wrong with it, a poll says what. Another is tried at once, but less and less often where none
  // lasts, as behind a proxy that holds events back.
  const pushes = "push" in region.dataset && "EventSource" in window;
  let stream = null;
  let failures = 0; // how many have failed, one after the other
  let opened = 0, heardOf = 0; // when it was opened, and told something last
  let again = 0; // when the next one may be opened
  // A busy server is there again, and streams have a queue there, which polls have not.
  const mayListen = () => pushes && !ended && !gone && (busy || !lost) && Date.now() >= again;
  const listen = () => {
    const path = region.getAttribute("hx-get");
    stream = new EventSource(`${path}${path.includes("?") ? "&" : "?"}cursor=${encodeURIComponent(cursor())}`);
    opened = heardOf = Date.now();
    const hear = (name, act) => stream.addEventListener(name, (event) => {
      heardOf = Date.now();
      // Where a page could not be put in place, a poll brings it again: it says what is shown.
      try { act(event.data); } catch (error) { drop(); throw error; }
    });
    hear("page", (data) => { swap(JSON.parse(data)); moved = Date.now(); found(); });
    hear("same", found);
    hear("busy", () => {}); // nobody has looked: the age goes on
    hear("secrets", count);
    hear("ended", drop);
    stream.onerror = drop;
  };
  // Hidden pages hold none: over HTTP/1.1 a browser opens six connections to a host, for all its tabs.
  const close = () => {
    stream?.close();
    stream = null;
  };
  const drop = () => {
    close();
    failures = Date.now() - opened > STEADY ? 1 : failures + 1;
    again = Date.now() + (failures > 1 ? Math.min(LEAST * 2 ** (failures - 2), MOST) * (1 + Math.random() / 4) : 0);
    poll();
  };

  // --- showing ---
  const clock = () => `${new Date(fresh).toISOString().slice(11, 19)} UTC`;
  const show = () => {
    const away = lost || gone || ended;
    const since = relative((fresh - Date.now()) / 1000);
    pill.querySelector("[data-word]").textContent = paused ? "Paused" : away ? "Offline" : "Live";
    pill.querySelector("[data-age]").textContent = since;
    pill.setAttribute("aria-pressed", String(!paused));
    pill.classList.toggle("lost", away);
    pill.querySelector(".dot").classList.toggle("pulse", !paused && !away);
    if (ended || gone) return;
    strip.hidden = !lost;
    if (lost) {
      strip.querySelector("[data-lost]").textContent =
        `Live updates lost, last answer ${since}; trying again. Showing values from ${clock()}.`;
    }
  };
  // The pill of possible secrets stands outside of what is replaced.
  const count = (told) => {
    if (!told) return;
    let pill = document.querySelector("a.secret-pill");
    if (told === "0") return pill?.remove();
    if (!pill) {
      pill = document.getElementById("pill-of-secrets").content.querySelector("a").cloneNode(true);
      document.querySelector(".notice .wrap").append(pill);
    }
    const number = parseInt(told).toLocaleString("en") + (told.endsWith("+") ? "+" : "");
    const words = `Possible secret in ${number} key${told === "1" ? "" : "s"}`;
    const said = pill.querySelector("[data-words]");
    if (said.textContent !== words) said.textContent = words;
  };
  // What may not be said yet is said later, as it is then.
  const summary = () => region.querySelector("[data-say]")?.textContent;
  let heard = summary();
  const speak = () => {
    const now = summary() ?? heard;
    const text = [news, now !== heard && now].filter(Boolean).join(" ");
    if (!text || Date.now() - spoke < SPEAK) return;
    spoke = Date.now();
    news = "";
    heard = now;
    say(text);
  };

  // --- morphing ---
  if (window.Idiomorph) {
    Object.assign(Idiomorph.defaults.callbacks, {
      // A form stays as it is while somebody is about to fill it in: also the version that it names. One that
      // judges what was seen names that for as long as the page is open.
      beforeNodeMorphed: (element) => !element.matches?.("form.decide")
        && !(element.matches?.("form, details.edit") && isTouched(element)),
      // What a reader has opened stays open.
      beforeAttributeUpdated: (name, element) => !(name === "open" && element.localName === "details"),
    });
  }
  const isTouched = (form) => form.open || form.contains(document.activeElement)
    || [...form.querySelectorAll("input:not([type=hidden]), textarea")].some((field) => field.value !== field.defaultValue)
    || [...form.querySelectorAll("option")].some((option) => option.selected !== option.defaultSelected);
  const texts = () => new Map([...region.querySelectorAll("[data-watch]")].map((e) => [e.id, e.textContent]));
  let before = new Map();
  const prepared = (html) => {
    before = texts();
    return rows.inPlace(html);
  };
  region.addEventListener("htmx:beforeSwap", ({ detail }) => {
    if (detail.shouldSwap) detail.serverResponse = prepared(detail.serverResponse);
  });
  // All that htmx does with the answer to a poll, but for htmx:beforeSwap.
  const swap = (html) => htmx.swap(region, prepared(html), SWAP, { contextElement: region });
  const order = () => {
    const html = !looksAway() && rows.ordered();
    if (html) swap(html);
  };
  region.addEventListener("htmx:afterSwap", () => {
    rows.stay();
    const until = Date.now() + MARK;
    texts().forEach((text, id) => { if (before.has(id) && before.get(id) !== text) marks.set(id, until); });
    mark();
    reveal(region);
    age();
  });
  const mark = () => marks.forEach((until, id) => {
    const on = Date.now() < until;
    document.getElementById(id)?.classList.toggle("changed", on);
    if (!on) marks.delete(id);
  });

  // --- the mode ---
  pill.hidden = false;
  pill.addEventListener("click", () => {
    paused = !paused;
    show();
    say(paused ? "Live updates paused" : "Live updates on");
    if (paused) close(); else goOn();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return close();
    moved = Date.now();
    goOn();
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => { if (event.persisted) goOn(); });
  for (const act of ["pointerdown", "pointermove", "keydown", "wheel"]) {
    document.addEventListener(act, acted, { passive: true });
  }
  setInterval(() => { check(); order(); show(); mark(); speak(); }, 500);
  show();
  later(EVERY);
})();
