// The page's side of worker.js: each call is a promise.

export class Network {
  #worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  #waiting = new Map();
  #last = 0;

  constructor() {
    this.#worker.onmessage = ({ data: { id, answer, error } }) => {
      const [resolve, reject] = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) resolve(answer);
      else reject(new Error(error));
    };
    this.#worker.onerror = (event) => {
      for (const [, reject] of this.#waiting.values()) reject(new Error(event.message || "worker.js cannot be loaded"));
      this.#waiting.clear();
    };
  }

  open(asked, threads) {
    return this.#call("open", { base: document.baseURI, asked, threads });
  }

  // Takes ImageData, whose bytes move to the worker.
  predict(photo) {
    return this.#call("predict", { photo: plain(photo) }, [photo.data.buffer]);
  }

  check(photo) {
    return this.#call("check", { photo: plain(photo), base: document.baseURI }, [photo.data.buffer]);
  }

  #call(call, given, moved = []) {
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, [resolve, reject]);
      this.#worker.postMessage({ id, call, given }, moved);
    });
  }
}

const plain = ({ data, width, height }) => ({ data, width, height });
