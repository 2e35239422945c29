import { type MouseEvent, type ReactElement, type ReactNode, useEffect, useId, useRef } from 'react';
import { IconButton } from './button.js';

/** A dialog over the page, which waits until it is closed: by Escape, by its cross, or by a press beside it. The focus goes back to where it was. */
export function Dialog({ open, title, onClose, actions, children }: {
  readonly open: boolean;
  readonly title: string;
  readonly onClose: () => void;
  /** Buttons at its foot, the one to do last. */
  readonly actions?: ReactNode;
  readonly children: ReactNode;
}): ReactElement {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = ref.current;
    if (!dialog || dialog.open === open) return;
    if (open) {
      dialog.showModal();
      // Into its first field, or to the first of its buttons, which is the one that does nothing.
      dialog.querySelector<HTMLElement>('.dialog-body :is(input, textarea, select), .dialog-foot .button')?.focus();
    } else dialog.close();
  }, [open]);
  // The dialog is its own border; what is beside it is its backdrop.
  const pressed = (e: MouseEvent<HTMLDialogElement>): void => {
    if (e.target !== e.currentTarget) return;
    const box = e.currentTarget.getBoundingClientRect();
    if (e.clientX < box.left || e.clientX > box.right || e.clientY < box.top || e.clientY > box.bottom) onClose();
  };
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes it, by the element itself
    <dialog ref={ref} className="dialog" aria-labelledby={id} onClose={onClose} onClick={pressed}>
      {open && (
        <>
          <div className="dialog-head">
            <h2 id={id}>{title}</h2>
            <IconButton label="Close" icon="close" size="small" onClick={onClose} />
          </div>
          <div className="dialog-body stack">{children}</div>
          {actions && <div className="dialog-foot">{actions}</div>}
        </>
      )}
    </dialog>
  );
}
