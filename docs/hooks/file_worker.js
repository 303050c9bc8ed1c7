// A page that is opened as a file may not start a Worker, which the search needs. There, a hidden frame does its work.
// Material looks for the name IFrameWorker.
if (location.protocol === "file:") {
  window.IFrameWorker = class extends EventTarget {
    constructor(source) {
      super();
      this.waiting = [];
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.documentElement.append(frame);
      this.inside = frame.contentWindow;
      this.inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
      const script = this.inside.document.createElement("script");
      script.src = new URL(source, location.href);
      script.onload = () => this.waiting.splice(0).forEach((data) => this.pass(data));
      this.inside.document.body.append(script);
      this.loaded = false;
      script.addEventListener("load", () => (this.loaded = true));
    }
    postMessage(data) {
      this.loaded ? this.pass(data) : this.waiting.push(data);
    }
    pass(data) {
      this.inside.dispatchEvent(new MessageEvent("message", { data }));
    }
    terminate() {
      this.inside.frameElement.remove();
    }
  };
  window.Worker = window.IFrameWorker;
}
