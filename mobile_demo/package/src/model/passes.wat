;; What touches every pixel, four values at a time. Sums have 32 bits, which is what Pillow's C has.
;;
;; A table of taps holds two numbers for each output pixel or row: where its first input lies, and how many it sums.
;; Its weights follow each other at every `size` bytes, as whole numbers scaled by 2^22.
(module
  (memory (export "memory") 1)

  ;; Weighted sums start at one half, and end as bytes: scaled back and clipped to 0-255.
  (func $bytes (param $a v128) (param $b v128) (param $c v128) (param $d v128) (result v128)
    (i8x16.narrow_i16x8_u
      (i16x8.narrow_i32x4_s (i32x4.shr_s (local.get $a) (i32.const 22)) (i32x4.shr_s (local.get $b) (i32.const 22)))
      (i16x8.narrow_i32x4_s (i32x4.shr_s (local.get $c) (i32.const 22)) (i32x4.shr_s (local.get $d) (i32.const 22)))))

  ;; Resample rows of colors of four bytes to three bytes, two taps at a time: 16-bit products sum fastest, so each weight comes as
  ;; its lower 15 bits and the rest, for two taps side by side. Of an odd number of taps the last has a partner of 0.
  (func (export "across4")
    (param $from i32) (param $stride i32) (param $rows i32) (param $to i32) (param $width i32)
    (param $taps i32) (param $weights i32) (param $size i32)
    (local $left i32) (local $tap i32) (local $start i32) (local $weight i32) (local $at i32) (local $end i32)
    (local $pair v128) (local $low v128) (local $high v128)
    (loop $row
      (local.set $left (local.get $width))
      (local.set $tap (local.get $taps))
      (local.set $start (local.get $weights))
      (loop $pixel
        (local.set $low (i32x4.splat (i32.const 0x200000)))
        (local.set $high (i32x4.splat (i32.const 0)))
        (local.set $at (i32.add (local.get $from) (i32.shl (i32.load (local.get $tap)) (i32.const 2))))
        (local.set $end (i32.add (local.get $at) (i32.shl (i32.load offset=4 (local.get $tap)) (i32.const 2))))
        (local.set $weight (local.get $start))
        (block $done
          (loop $each
            (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
            ;; red, red, green, green, blue, blue, rest, rest; what is out of range becomes 0
            (local.set $pair (i8x16.swizzle (v128.load64_zero (local.get $at))
              (v128.const i8x16 0 -1 4 -1 1 -1 5 -1 2 -1 6 -1 3 -1 7 -1)))
            (local.set $low (i32x4.add (local.get $low)
              (i32x4.dot_i16x8_s (local.get $pair) (v128.load32_splat (local.get $weight)))))
            (local.set $high (i32x4.add (local.get $high)
              (i32x4.dot_i16x8_s (local.get $pair) (v128.load32_splat offset=4 (local.get $weight)))))
            (local.set $weight (i32.add (local.get $weight) (i32.const 8)))
            (local.set $at (i32.add (local.get $at) (i32.const 8)))
            (br $each)))
        (local.set $low (i32x4.add (local.get $low) (i32x4.shl (local.get $high) (i32.const 15))))
        (v128.store32_lane 0 (local.get $to)
          (call $bytes (local.get $low) (local.get $low) (local.get $low) (local.get $low)))
        (local.set $to (i32.add (local.get $to) (i32.const 3)))
        (local.set $tap (i32.add (local.get $tap) (i32.const 8)))
        (local.set $start (i32.add (local.get $start) (local.get $size)))
        (br_if $pixel (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
      (local.set $from (i32.add (local.get $from) (local.get $stride)))
      (br_if $row (local.tee $rows (i32.sub (local.get $rows) (i32.const 1))))))

  ;; Resample rows of gray, four taps at a time: weights beyond the last are 0, whatever byte they meet.
  (func (export "across1")
    (param $from i32) (param $stride i32) (param $rows i32) (param $to i32) (param $width i32)
    (param $taps i32) (param $weights i32) (param $size i32)
    (local $left i32) (local $tap i32) (local $start i32) (local $weight i32) (local $at i32) (local $end i32)
    (local $sum v128)
    (loop $row
      (local.set $left (local.get $width))
      (local.set $tap (local.get $taps))
      (local.set $start (local.get $weights))
      (loop $pixel
        (local.set $sum (v128.const i32x4 0x200000 0 0 0))
        (local.set $at (i32.add (local.get $from) (i32.load (local.get $tap))))
        (local.set $end (i32.add (local.get $at) (i32.load offset=4 (local.get $tap))))
        (local.set $weight (local.get $start))
        (block $done
          (loop $each
            (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
            (local.set $sum (i32x4.add (local.get $sum) (i32x4.mul
              (v128.load (local.get $weight))
              (i32x4.extend_low_i16x8_u (i16x8.extend_low_i8x16_u (v128.load32_zero (local.get $at)))))))
            (local.set $weight (i32.add (local.get $weight) (i32.const 16)))
            (local.set $at (i32.add (local.get $at) (i32.const 4)))
            (br $each)))
        (local.set $sum (i32x4.add (local.get $sum)
          (i8x16.shuffle 8 9 10 11 12 13 14 15 0 1 2 3 4 5 6 7 (local.get $sum) (local.get $sum))))
        (local.set $sum (i32x4.add (local.get $sum)
          (i8x16.shuffle 4 5 6 7 0 1 2 3 12 13 14 15 8 9 10 11 (local.get $sum) (local.get $sum))))
        (v128.store8_lane 0 (local.get $to)
          (call $bytes (local.get $sum) (local.get $sum) (local.get $sum) (local.get $sum)))
        (local.set $to (i32.add (local.get $to) (i32.const 1)))
        (local.set $tap (i32.add (local.get $tap) (i32.const 8)))
        (local.set $start (i32.add (local.get $start) (local.get $size)))
        (br_if $pixel (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
      (local.set $from (i32.add (local.get $from) (local.get $stride)))
      (br_if $row (local.tee $rows (i32.sub (local.get $rows) (i32.const 1))))))

  ;; Resample columns of bytes, 16 side by side; the last of a row may run over its end, into what is written next.
  (func (export "down")
    (param $from i32) (param $stride i32) (param $rows i32) (param $to i32)
    (param $taps i32) (param $weights i32) (param $size i32)
    (local $x i32) (local $weight i32) (local $last i32) (local $at i32)
    (local $low v128) (local $high v128) (local $value v128)
    (local $a v128) (local $b v128) (local $c v128) (local $d v128)
    (loop $row
      (local.set $x (i32.const 0))
      (loop $block
        (local.set $a (i32x4.splat (i32.const 0x200000)))
        (local.set $b (local.get $a))
        (local.set $c (local.get $a))
        (local.set $d (local.get $a))
        (local.set $at (i32.add
          (i32.add (local.get $from) (local.get $x))
          (i32.mul (i32.load (local.get $taps)) (local.get $stride))))
        (local.set $weight (local.get $weights))
        (local.set $last (i32.add (local.get $weight) (i32.shl (i32.load offset=4 (local.get $taps)) (i32.const 2))))
        (block $done
          (loop $each
            (br_if $done (i32.ge_u (local.get $weight) (local.get $last)))
            (local.set $value (v128.load32_splat (local.get $weight)))
            (local.set $low (i16x8.extend_low_i8x16_u (v128.load (local.get $at))))
            (local.set $high (i16x8.extend_high_i8x16_u (v128.load (local.get $at))))
            (local.set $a (i32x4.add (local.get $a)
              (i32x4.mul (local.get $value) (i32x4.extend_low_i16x8_u (local.get $low)))))
            (local.set $b (i32x4.add (local.get $b)
              (i32x4.mul (local.get $value) (i32x4.extend_high_i16x8_u (local.get $low)))))
            (local.set $c (i32x4.add (local.get $c)
              (i32x4.mul (local.get $value) (i32x4.extend_low_i16x8_u (local.get $high)))))
            (local.set $d (i32x4.add (local.get $d)
              (i32x4.mul (local.get $value) (i32x4.extend_high_i16x8_u (local.get $high)))))
            (local.set $at (i32.add (local.get $at) (local.get $stride)))
            (local.set $weight (i32.add (local.get $weight) (i32.const 4)))
            (br $each)))
        (v128.store (i32.add (local.get $to) (local.get $x))
          (call $bytes (local.get $a) (local.get $b) (local.get $c) (local.get $d)))
        (local.set $x (i32.add (local.get $x) (i32.const 16)))
        (br_if $block (i32.lt_u (local.get $x) (local.get $stride))))
      (local.set $to (i32.add (local.get $to) (local.get $stride)))
      (local.set $taps (i32.add (local.get $taps) (i32.const 8)))
      (local.set $weights (i32.add (local.get $weights) (local.get $size)))
      (br_if $row (local.tee $rows (i32.sub (local.get $rows) (i32.const 1))))))

  ;; Turn colors of four bytes into gray, four at a time.
  (func (export "luma") (param $from i32) (param $to i32) (param $count i32)
    (local $end i32) (local $four v128) (local $byte v128)
    (local.set $end (i32.add (local.get $to) (local.get $count)))
    (local.set $byte (i32x4.splat (i32.const 255)))
    (loop $each
      (local.set $four (v128.load (local.get $from)))
      (local.set $four (i32x4.shr_u
        (i32x4.add
          (i32x4.add
            (i32x4.mul (v128.and (local.get $four) (local.get $byte)) (i32x4.splat (i32.const 19595)))
            (i32x4.mul (v128.and (i32x4.shr_u (local.get $four) (i32.const 8)) (local.get $byte)) (i32x4.splat (i32.const 38470))))
          (i32x4.add
            (i32x4.mul (v128.and (i32x4.shr_u (local.get $four) (i32.const 16)) (local.get $byte)) (i32x4.splat (i32.const 7471)))
            (i32x4.splat (i32.const 0x8000))))
        (i32.const 16)))
      (local.set $four (i16x8.narrow_i32x4_u (local.get $four) (local.get $four)))
      (v128.store32_lane 0 (local.get $to) (i8x16.narrow_i16x8_u (local.get $four) (local.get $four)))
      (local.set $from (i32.add (local.get $from) (i32.const 16)))
      (local.set $to (i32.add (local.get $to) (i32.const 4)))
      (br_if $each (i32.lt_u (local.get $to) (local.get $end)))))

  ;; Exchange red and blue in place, four pixels at a time; the bits of alpha are set besides.
  (func (export "swap") (param $at i32) (param $end i32) (param $alpha i32)
    (loop $each
      (v128.store (local.get $at) (v128.or (i32x4.splat (local.get $alpha))
        (i8x16.swizzle (v128.load (local.get $at)) (v128.const i8x16 2 1 0 3 6 5 4 7 10 9 8 11 14 13 12 15))))
      (br_if $each (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 16))) (local.get $end)))))
)
