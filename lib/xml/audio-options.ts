/** Names of the options of sound back ends, in libvirt's order; `lib/qemu/argv-sound.ts` has QEMU's words for them. */

/** Of `<audio>`. */
export const audioOptions = [
  'timerPeriod',
  'path',
  'serverName',
  'runtimeDir',
  'tryMMap',
  'exclusive',
  'dspPolicy',
  'driver',
] as const;

/** Of `<input>` and `<output>`. */
export const streamOptions = [
  'mixingEngine',
  'fixedSettings',
  'voices',
  'bufferLength',
  'dev',
  'bufferCount',
  'tryPoll',
  'name',
  'streamName',
  'latency',
  'serverName',
  'clientName',
  'connectPorts',
  'exactName',
] as const;

/** Of `<settings>`. */
export const settingOptions = ['frequency', 'channels', 'format'] as const;
