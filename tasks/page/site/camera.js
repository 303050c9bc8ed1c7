// The camera as a loop of frames; it stops when the page is hidden.

export class Camera {
  #video = Object.assign(document.createElement("video"), { muted: true, playsInline: true });
  #stream = null;

  // on: called with each frame (a video element); the next comes when its promise is done. ended: why it stopped.
  constructor(on, ended) {
    Object.assign(this, { on, ended });
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.stop("The camera stopped when the page was hidden.");
    });
  }

  get runs() {
    return this.#stream !== null;
  }

  async start() {
    if (!navigator.mediaDevices) throw new Error("The camera needs https, or localhost.");
    const wanted = { width: { ideal: 640 }, height: { ideal: 480 }, facingMode: { ideal: "environment" } };
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: wanted });
    } catch (error) {
      throw new Error(error.name === "NotAllowedError" ? "The camera was not allowed." : "There is no camera to use.");
    }
    this.stop();
    this.#stream = stream;
    this.#video.srcObject = stream;
    await this.#video.play();
    void this.#loop(stream);
  }

  stop(why = "") {
    if (!this.#stream) return;
    for (const track of this.#stream.getTracks()) track.stop();
    [this.#stream, this.#video.srcObject] = [null, null];
    this.ended(why);
  }

  async #loop(stream) {
    try {
      while (this.#stream === stream) {
        await new Promise(requestAnimationFrame);
        if (this.#stream === stream && this.#video.videoWidth) await this.on(this.#video);
      }
    } catch (error) {
      if (this.#stream === stream) this.stop(error.message);
    }
  }
}
