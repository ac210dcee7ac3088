/** Firmware of a machine as files of this host: found by `lib/host`, given to the hypervisor by `lib/qemu`. Pure data. */
export interface Firmware {
  readonly code: string;
  readonly codeFormat: FirmwareFormat;
  /** `rom` stands in for the BIOS, `pflash` is two flash chips: code, and the guest's variables. */
  readonly type: 'rom' | 'pflash';
  readonly readonly: boolean;
  /** Only the firmware's own mode (SMM) may write the variables. */
  readonly secure: boolean;
  /** null: the firmware keeps none. */
  readonly vars: string | null;
  readonly varsFormat: FirmwareFormat;
}

export type FirmwareFormat = 'raw' | 'qcow2';
