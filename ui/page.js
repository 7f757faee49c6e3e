// The little script every page carries: moments in the reader's own time zone, and copying the address.
(() => {
  // the last part of the address says which page this is; the rules of the others go
  const page = location.pathname.replace(/\/+$/, "").split("/").pop();
  document.querySelectorAll("style[data-page]").forEach((rules) => rules.dataset.page === page || rules.remove());
  const pad = (n) => String(n).padStart(2, "0");
  const words = (s) => s < 60 ? "just now" : s < 3600 ? Math.floor(s / 60) + " min ago"
    : s < 86400 ? Math.floor(s / 3600) + " h ago"
    : s < 172800 ? "1 day ago" : Math.floor(s / 86400) + " days ago";
  const tell = (node) => {
    const at = Number(node.dataset.unix) * 1000, then = new Date(at), now = new Date();
    const hour = pad(then.getHours()) + ":" + pad(then.getMinutes());
    const day = then.getDate() + " " + then.toLocaleString("en", {month: "short"});
    const clock = then.toDateString() === now.toDateString() ? hour : day + ", " + hour;
    const text = node.dataset.ago ? words((now - then) / 1000) : clock;
    if (node.textContent !== text) node.textContent = text;
    if (!node.dateTime) { node.dateTime = then.toISOString(); node.title = then.toLocaleString(); }
  };
  const tellAll = () => document.querySelectorAll("time[data-unix]").forEach(tell);
  let due = false;
  const soon = () => { if (!due) { due = true; requestAnimationFrame(() => { due = false; tellAll(); }); } };
  document.addEventListener("DOMContentLoaded", () => {
    document.documentElement.lang = "en";
    new MutationObserver(soon).observe(document.body, {childList: true, subtree: true});
    setInterval(tellAll, 15000);
  });
  window.letheCopyAddress = (path) => {
    const address = new URL(path || location.href, location.href).href;
    return navigator.clipboard ? navigator.clipboard.writeText(address) : window.prompt("The address", address);
  };
})();
